//! Writes the widget's pages into a folder, for the tests with a browser.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "it serves tests")]

use std::path::Path;

use driftless_status::request::{CommandResult, OrderResult, Refusal, Reply};
use driftless_widget::{Theme, command_result, fleet, overview, refusal};

#[path = "../tests/widget/worlds.rs"]
mod worlds;

fn main() {
    let folder = std::env::args().nth(1).expect("the folder is named");
    let write = |name: &str, page: String| {
        std::fs::write(Path::new(&folder).join(format!("{name}.html")), page).expect("the page can be written");
    };
    for (theme, name) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
        let frame = worlds::frame(name);
        write(&format!("all-{name}"), overview(&frame, &worlds::all()));
        for world in worlds::WORLDS {
            let status = worlds::world(world);
            let history = worlds::history(if status.drifted.is_empty() { "rolled-back" } else { "replaced" });
            write(&format!("{world}-{name}"), fleet(&frame, &status, Some(&history)));
        }
        let (status, history) = (worlds::world("half-way"), worlds::history("rolled-back"));
        write(&format!("narrow-{name}"), fleet(&worlds::frame_of_width(name, 520), &status, Some(&history)));
        let (status, history) = worlds::hostile();
        write(&format!("hostile-{name}"), fleet(&frame, &status, Some(&history)));
        write(&format!("hostile-all-{name}"), overview(&frame, &worlds::hostile_overview()));
        let done = CommandResult {
            request: "dashboard-pause-7".to_owned(),
            actor: "unverified".into(),
            result: OrderResult::Done,
            says: "it stands still in shifting; its clocks stop".into(),
        };
        write(&format!("receipt-{name}"), command_result(theme, &Reply::CommandResult(done)));
        write(&format!("refusal-{name}"), refusal(theme, &Refusal::not_found("there is no fleet app")));
    }
}
