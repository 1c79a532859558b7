//! The baseline of an event: the recorded calls of a function as a script for the binary `floor`.

use std::time::Instant;

use crate::cloud::Call;

/// The calls in rounds: those of one round were under way together, and none waits for another one of it.
pub fn rounds(mut calls: Vec<Call>) -> Vec<Vec<Call>> {
    calls.sort_by_key(|call| call.at.0);
    let mut rounds: Vec<Vec<Call>> = Vec::new();
    let mut ends: Vec<(usize, Instant)> = Vec::new();
    for call in calls {
        // It may have waited for whatever was answered before it came.
        let before = ends.iter().filter(|(_, end)| *end <= call.at.0).map(|(round, _)| round + 1);
        let round = before.max().unwrap_or_default();
        ends.push((round, call.at.1));
        if rounds.len() <= round {
            rounds.resize_with(round + 1, Vec::new);
        }
        if let Some(round) = rounds.get_mut(round) {
            round.push(call);
        }
    }
    rounds
}

/// The script.
pub fn script(rounds: &[Vec<Call>]) -> Vec<u8> {
    let mut script = Vec::new();
    for round in rounds {
        script.extend(b"round\n");
        for call in round {
            let mut request = format!("{}content-length: {}\r\n\r\n", call.head, call.body.len()).into_bytes();
            request.extend(&call.body);
            script.extend(format!("call {} {}\n", call.plain_at, request.len()).as_bytes());
            script.extend(request);
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn call(action: &str, from: u64, to: u64, start: Instant) -> Call {
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let head = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n".to_owned();
        Call {
            service: "ec2",
            action: action.to_owned(),
            at: (at(from), at(to)),
            head,
            body: "{}".into(),
            status: 200,
            plain_at: "127.0.1.4:80".parse().unwrap(),
        }
    }

    #[test]
    fn a_call_is_in_the_round_after_the_last_one_that_it_can_have_waited_for() {
        let start = Instant::now();
        let calls =
            vec![call("c", 6, 9, start), call("a", 0, 5, start), call("b", 1, 6, start), call("d", 7, 8, start)];
        let names: Vec<Vec<String>> =
            rounds(calls).iter().map(|round| round.iter().map(Call::name).collect()).collect();
        assert_eq!(names, [vec!["ec2:a", "ec2:b"], vec!["ec2:c", "ec2:d"]]);
    }

    #[test]
    fn a_script_holds_whole_requests() {
        let script = script(&[vec![call("a", 0, 1, Instant::now())]]);
        let text = String::from_utf8(script).unwrap();
        let expected = "round\ncall 127.0.1.4:80 57\nPOST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(text, expected);
    }
}
