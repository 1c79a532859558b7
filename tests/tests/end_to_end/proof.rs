//! Checks over all scenes together.

use driftless_tests::permissions::Evidence;

#[test]
#[ignore = "looks at what all scenes have left behind: `make test ONLY=end-to-end` runs it after them"]
fn every_scene_has_ended_at_rest_and_nothing_is_allowed_that_none_of_them_needs() -> anyhow::Result<()> {
    Evidence::open()?.of_all_scenes()?.check_explained()
}
