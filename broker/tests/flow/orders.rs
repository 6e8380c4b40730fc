//! Who answers, and in which order.

use crate::{
    Case, cases,
    desktop::Part,
    home::Home,
    peer::body,
    world::{World, stderr, stdout},
};

pub(crate) const CASES: &[Case] = cases![
    sudo_that_the_dialog_approves_runs_as_root,
    sudo_that_the_dialog_denies_runs_nothing,
    sudo_that_the_phone_approves_first_closes_the_dialog,
    sudo_that_the_phone_denies_runs_nothing,
    sudo_that_nobody_answers_expires_and_runs_nothing,
    sudo_that_is_pre_approved_asks_nobody,
];

const USED: &[&str] = &["requested", "decided", "spent"];
const REFUSED: &[&str] = &["requested", "decided"];

fn sudo_that_the_dialog_approves_runs_as_root(world: &World) {
    let mut home = Home::new(world, "");
    let child = home.sudo(&["id"]);
    let (question, code) = home.is_asked();
    home.clicks_approve();
    let output = home.ends(child, USED);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("uid=0(root)"), "{}", stdout(&output));
    home.desktop.wait_until_empty();
    home.is_corrected(&question, "approved by the dialog");
    home.phone_says(&format!("no {code}"));
    assert!(body(&home.phone.sees()).contains("before"));
}

fn sudo_that_the_dialog_denies_runs_nothing(world: &World) {
    let mut home = Home::new(world, "");
    let marker = world.marker();
    let child = home.sudo(&["touch", marker.to_str().unwrap()]);
    let (question, code) = home.is_asked();
    home.desktop.click(Part::Deny);
    let output = home.ends(child, REFUSED);
    assert_eq!((output.status.code(), marker.exists()), (Some(1), false));
    assert!(stderr(&output).contains("denied by the dialog"), "{}", stderr(&output));
    home.is_corrected(&question, "denied by the dialog");
    home.phone_says(&format!("yes {code}"));
    assert!(body(&home.phone.sees()).contains("was denied before"));
    assert!(!marker.exists());
}

fn sudo_that_the_phone_approves_first_closes_the_dialog(world: &World) {
    let mut home = Home::new(world, "");
    let child = home.sudo(&["id"]);
    let (question, code) = home.is_asked();
    home.phone_says(&format!("yes {code}"));
    let output = home.ends(child, USED);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("uid=0(root)"), "{}", stdout(&output));
    home.desktop.wait_until_empty();
    home.is_corrected(&question, "approved");
    assert!(home.recorded().contains("approved by josh@localhost"));
}

fn sudo_that_the_phone_denies_runs_nothing(world: &World) {
    let mut home = Home::new(world, "");
    let marker = world.marker();
    let child = home.sudo(&["touch", marker.to_str().unwrap()]);
    let (question, code) = home.is_asked();
    home.phone_says(&format!("no {code}"));
    let output = home.ends(child, REFUSED);
    assert_eq!((output.status.code(), marker.exists()), (Some(1), false));
    assert!(stderr(&output).contains("denied by josh@localhost"), "{}", stderr(&output));
    home.desktop.wait_until_empty();
    home.is_corrected(&question, "denied");
}

fn sudo_that_nobody_answers_expires_and_runs_nothing(world: &World) {
    let home = Home::new(world, "timeout = 5");
    let marker = world.marker();
    let child = home.sudo(&["touch", marker.to_str().unwrap()]);
    let output = home.ends(child, REFUSED);
    assert_eq!((output.status.code(), marker.exists()), (Some(1), false));
    assert!(stderr(&output).contains("nobody answered"), "{}", stderr(&output));
    assert!(home.recorded().contains("expired"));
    home.desktop.wait_until_empty();
}

fn sudo_that_is_pre_approved_asks_nobody(world: &World) {
    let mut home = Home::new(world, "");
    let child = home.sudo(&["whoami"]);
    let output = home.ends(child, USED);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "root\n"), "{}", stderr(&output));
    // The first thing that the phone sees is about the next request.
    let child = home.sudo(&["id"]);
    let (question, code) = home.is_asked();
    assert!(!body(&question).contains("whoami"));
    home.phone_says(&format!("no {code}"));
    let output = home.ends(child, &["requested", "decided", "spent", "requested", "decided"]);
    assert_eq!(output.status.code(), Some(1));
}
