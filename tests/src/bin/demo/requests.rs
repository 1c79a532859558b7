//! The requests: which servers answered them, which failed, and why.

use std::collections::BTreeMap;

use anyhow::ensure;
use driftless_tests::load::{Answers, Tally};

use crate::screen::Screen;

/// The tally as a sentence. A bad image may have caused all failures.
pub(crate) fn sentence(tally: &Tally, bad_image: Option<&str>) -> String {
    let by_group = tally.answers.iter().fold(BTreeMap::<&str, u64>::new(), |mut groups, (server, answers)| {
        *groups.entry(server.group.as_str()).or_default() += answers.served;
        groups
    });
    let served: Vec<String> = by_group.iter().map(|(group, served)| format!("{group} served {served}")).collect();
    let failed = tally.answers().errors + tally.lost();
    let by_bad_one = tally.answers_of(|server| Some(server.image.as_str()) == bad_image).errors;
    let failed = if failed == 0 {
        "none failed".to_owned()
    } else {
        format!("{failed} failed, {by_bad_one} of them answered by the bad image itself")
    };
    format!("Of {} requests {}; {failed}.", tally.requests(), served.join(", "))
}

/// Checks that only the bad image returned errors.
pub(crate) fn check(tally: &Tally, bad_image: Option<&str>) -> anyhow::Result<()> {
    ensure!(tally.requests() > 0, "there were no requests");
    ensure!(tally.lost.is_empty(), "requests were lost: {:?}", tally.lost);
    let of_good_ones = tally.answers_of(|server| Some(server.image.as_str()) != bad_image);
    ensure!(of_good_ones.errors == 0, "servers of good images answered {} errors", of_good_ones.errors);
    Ok(())
}

/// Prints the answered requests by color and server, and the failed ones by cause.
pub(crate) fn show(tally: &Tally, bad_image: &str, screen: Screen) {
    screen.line(&screen.bold("\nWho served\n"));
    screen.line(&screen.dim(&format!("  {:<58}{:>8}{:>8}", "", "served", "failed")));
    let mut before = None;
    for (server, answers) in &tally.answers {
        let color = (&server.group, &server.image);
        if before != Some(color) {
            let all = tally.answers_of(|other| (&other.group, &other.image) == color);
            let remark = if server.image == bad_image { ", the bad one" } else { "" };
            row(screen, &screen.bold(&format!("{} with {}{remark}", server.group, server.image)), all);
            before = Some(color);
        }
        row(screen, &screen.dim(&format!("    {}", server.instance)), *answers);
    }
    row(screen, &screen.bold("all servers"), tally.answers());
    let (errors, lost) = (tally.answers().errors, tally.lost());
    screen.line(&format!("\n  {} requests were sent, {} failed.", tally.requests(), errors + lost));
    let by_bad_one = tally.answers_of(|server| server.image == bad_image).errors;
    screen.line(&format!("    {by_bad_one:>4} answered by the bad image itself, with an error: its fault"));
    screen.line(&format!("    {:>4} answered with an error by a server of a good image", errors - by_bad_one));
    screen.line(&format!(
        "    {lost:>4} lost on the way, because a server was gone or a color had none: Driftless's fault"
    ));
    for (reason, requests) in &tally.lost {
        screen.line(&format!("         {requests} times: {reason}"));
    }
}

fn row(screen: Screen, name: &str, answers: Answers) {
    let failed = if answers.errors > 0 { screen.red(&answers.errors.to_string()) } else { "0".to_owned() };
    screen.columns(name, &[answers.served.to_string(), failed]);
}

#[cfg(test)]
mod tests {
    use driftless_tests::load::Server;

    use super::*;

    fn tally(image: &str, served: u64, errors: u64, lost: u64) -> Tally {
        let by = Server { group: "app-blue".to_owned(), image: image.to_owned(), instance: "i-1".to_owned() };
        let lost = (lost > 0).then(|| ("502: i-1 has no server".to_owned(), lost));
        Tally { answers: [(by, Answers { served, errors })].into(), lost: lost.into_iter().collect() }
    }

    #[test]
    fn errors_of_the_bad_image_are_its_own_fault_and_no_others_are_forgiven() {
        check(&tally("ami-bad", 3, 1, 0), Some("ami-bad")).unwrap();
        let error = check(&tally("ami-good", 3, 1, 0), Some("ami-bad")).unwrap_err();
        assert_eq!(error.to_string(), "servers of good images answered 1 errors");
        check(&tally("ami-bad", 3, 1, 0), None).unwrap_err();
    }

    #[test]
    fn a_request_that_is_lost_is_never_forgiven() {
        let error = check(&tally("ami-bad", 3, 0, 1), Some("ami-bad")).unwrap_err();
        assert!(error.to_string().contains("502: i-1 has no server"), "{error}");
    }

    #[test]
    fn nothing_is_proven_without_requests() {
        check(&Tally::default(), None).unwrap_err();
    }

    #[test]
    fn the_sentence_says_whose_fault_it_was() {
        let good = sentence(&tally("ami-good", 3, 0, 0), None);
        assert_eq!(good, "Of 3 requests app-blue served 3; none failed.");
        let bad = sentence(&tally("ami-bad", 3, 2, 1), Some("ami-bad"));
        assert_eq!(bad, "Of 6 requests app-blue served 3; 3 failed, 2 of them answered by the bad image itself.");
    }
}
