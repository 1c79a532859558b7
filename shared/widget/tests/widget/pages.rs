//! Properties of every page.

use driftless_planner::fact::Command;
use driftless_planner::observation::FreezeScope;
use driftless_status::FleetStatus;
use driftless_status::model::State;
use driftless_status::request::{CommandResult, Order, OrderResult, Refusal, Reply, RequestedAction};
use driftless_widget::{Overview, Theme, command_result, fleet, overview, refusal};

use crate::worlds::{HOSTILE, WORLDS, all, frame, frame_of_width, history, hostile, hostile_overview, world};

/// The text of an attribute or an element, as a browser reads it.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The requests behind the buttons: the confirmation, and the request that is sent.
fn buttons(page: &str) -> Vec<(String, Order)> {
    let actions = page.split("<cwdb-action ").skip(1).filter(|action| action.contains("driftless-operator"));
    let button = |action: &str| {
        let confirmation = action.split("confirmation=\"").nth(1).unwrap().split('"').next().unwrap();
        let json = action.split('>').nth(1).unwrap().split('<').next().unwrap();
        (unescaped(confirmation), serde_json::from_str(&unescaped(json)).unwrap())
    };
    actions.map(button).collect()
}

fn drawn(status: &FleetStatus) -> String {
    fleet(&frame("light"), status, Some(&history("rolled-back")))
}

#[test]
fn each_fleet_has_the_buttons_of_its_available_commands_and_of_freeze_or_thaw() {
    for name in WORLDS {
        let status = world(name);
        let sent: Vec<RequestedAction> = buttons(&drawn(&status)).into_iter().map(|(_, order)| order.action).collect();
        let open = status.orders.iter().map(|open| open.command.clone());
        let open = open.map(|command| RequestedAction::Command { fleet: status.fleet.clone(), command });
        let scope = FreezeScope::Fleet(status.fleet.clone());
        let is_frozen = status.freezes.iter().any(|freeze| !freeze.is_of_account);
        let switch = if is_frozen {
            RequestedAction::Thaw { scope }
        } else {
            RequestedAction::Freeze { scope, expires_at: None }
        };
        assert_eq!(sent, open.chain([switch]).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_button_says_what_it_will_do_before_it_is_sent() {
    let status = world("half-way");
    let buttons = buttons(&drawn(&status));
    let (confirmation, order) = buttons
        .iter()
        .find(|(_, order)| matches!(&order.action, RequestedAction::Command { command: Command::Rollback, .. }))
        .unwrap();
    for part in [format!("Roll back: {}", status.fleet), status.rollback_path.says.to_string(), status.says.to_string()]
    {
        assert!(confirmation.contains(&part), "{confirmation}");
    }
    assert_eq!(order.reason, Some("from the dashboard".into()));
}

#[test]
fn a_double_click_is_one_command_and_a_click_after_it_was_carried_out_another() {
    let mut status = world("half-way");
    let ids = |status: &FleetStatus| -> Vec<String> {
        buttons(&drawn(status)).into_iter().map(|(_, order)| order.request).collect()
    };
    let first = ids(&status);
    assert_eq!(ids(&status), first);
    // The command was carried out and committed.
    status.record_version = status.record_version.map(|version| version + 1);
    assert!(ids(&status).iter().all(|id| !first.contains(id)));
    status.record_version = Some(u64::MAX);
    assert!(ids(&status).iter().all(|id| id.len() <= 64), "as long as operator takes");
}

#[test]
fn every_action_stands_behind_what_is_clicked() {
    let pages = WORLDS.map(|name| drawn(&world(name)));
    for page in pages.into_iter().chain([overview(&frame("dark"), &all())]) {
        let parts: Vec<&str> = page.split("<cwdb-action ").collect();
        assert!(parts.len() > 1);
        for before in &parts[..parts.len() - 1] {
            assert!(before.ends_with("</a>"), "{}", &before[before.len() - 80..]);
        }
    }
}

#[test]
fn the_drawing_is_as_wide_as_the_widget() {
    let widths = [359, 360, 361, 1_799, 1_800, 1_801].map(|width| {
        let page = fleet(&frame_of_width("light", width), &world("steady"), Some(&history("replaced")));
        let view = page.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        view.parse::<u32>().unwrap()
    });
    let wide = widths[1];
    assert_eq!(widths, [wide, wide, wide + 1, wide + 1_439, wide + 1_440, wide + 1_440]);
}

#[test]
fn without_the_operator_function_there_is_no_button() {
    let mut frame = frame("light");
    frame.operator = None;
    let page = fleet(&frame, &world("half-way"), None);
    assert!(!page.contains("driftless-operator") && !page.contains("confirmation"));
    assert!(page.contains("The history could not be read"));
}

#[test]
fn pages_have_the_colors_of_the_console() {
    for (theme, class) in
        [("light", "\"driftless light\""), ("dark", "\"driftless dark\""), ("other", "\"driftless light\"")]
    {
        assert!(fleet(&frame(theme), &world("steady"), None).contains(class), "{theme}");
    }
}

#[test]
fn untrusted_text_is_escaped_and_in_no_command() {
    let (status, history) = hostile();
    let pages = [fleet(&frame("light"), &status, Some(&history)), overview(&frame("light"), &hostile_overview())];
    for page in pages {
        for part in ["<img", "<script", "\"' onclick", "onerror=\"", "</cwdb-action></div><script", "\u{202e}"] {
            assert!(!page.contains(part), "{part}");
        }
        assert!(page.contains("&lt;img src=x onerror=&quot;window.owned=1&quot;&gt;"));
        for code in page.split("<code>").skip(1) {
            let command = code.split("</code>").next().unwrap();
            assert!(HOSTILE.iter().all(|text| !unescaped(command).contains(text)), "{command}");
        }
        for (_, order) in buttons(&page) {
            assert_eq!(order.reason, Some("from the dashboard".into()));
        }
    }
}

#[test]
fn the_most_urgent_comes_first_and_equals_by_name() {
    let known = all();
    let states: Vec<State> = known.fleets.iter().map(|fleet| fleet.state).collect();
    assert!(states.is_sorted(), "{states:?}");
    assert_eq!(known.fleets[0].fleet.as_str(), "needs-operator");
    let mut equals = known;
    equals.fleets = ["bee", "ant"].map(|name| FleetStatus { fleet: name.parse().unwrap(), ..world("steady") }).into();
    equals.sort();
    assert_eq!(equals.fleets[0].fleet.as_str(), "ant");
    assert_eq!(equals.most_urgent(4), [], "what is steady is not urgent");
}

#[test]
fn a_hundred_fleets_fit_into_what_the_console_takes() {
    let many = |names: &[&str]| {
        let mut fleets: Vec<FleetStatus> = names.iter().cycle().take(100).map(|name| world(name)).collect();
        for (number, fleet) in fleets.iter_mut().enumerate() {
            fleet.fleet = format!("a-fleet-with-a-name-of-some-length-{number}").parse().unwrap();
        }
        let mut known = Overview { fleets, ..all() };
        known.sort();
        overview(&frame("light"), &known).len()
    };
    let busy = many(&["half-way"]);
    for length in [many(&WORLDS), busy, many(&["hostile"])] {
        assert!(length < 100_000, "{length}");
    }
}

#[test]
fn the_result_of_a_command_is_drawn() {
    for (result, heading) in [
        (OrderResult::Done, "Done"),
        (OrderResult::NotDone, "Not done"),
        (OrderResult::Pending, "Stored, not applied yet"),
    ] {
        let reply = Reply::CommandResult(CommandResult {
            request: "dashboard-pause-7".to_owned(),
            actor: "unverified".into(),
            result,
            says: HOSTILE[0].into(),
        });
        let page = command_result(Theme::Dark, &reply);
        assert!(page.contains(&format!("<h2>{heading}</h2>")) && page.contains("&lt;img"), "{page}");
    }
    let problem = Refusal::not_found("there is no fleet <b>");
    let page = command_result(Theme::Light, &Reply::Refused(problem.clone()));
    assert_eq!(page, refusal(Theme::Light, &problem));
    assert!(page.contains("there is no fleet &lt;b&gt;"), "{page}");
}
