//! How a link comes to a session: deadlines, hosts in turn, pauses, and what ends the central.

use super::*;
use crate::store::postgres::Secret;

const TWO: &str = "127.0.0.1:1,127.0.0.2:2/a?";

fn down(answer: &Answer) -> &str {
    match answer {
        Answer::Down(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_a_connection_a_session_and_an_answer_have_until_their_deadline_and_no_longer() {
    let mut world = World::new("db/a?", 1, CommitMode::AsSet);
    assert_eq!(world.run(0), []);
    let told = world.told_after(TIMEOUT);
    assert!(
        down(&told).ends_with("its name was not found in time"),
        "{told:?}"
    );

    world.net.borrow_mut().is_deaf = true;
    assert_eq!(world.after_pause(0), []);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    world.net.borrow_mut().resolved = Some(Ok(vec![address]));
    assert_eq!(world.run(0), []);
    let told = world.told_after(TIMEOUT);
    assert!(down(&told).ends_with("it does not answer"), "{told:?}");

    (
        world.net.borrow_mut().is_deaf,
        world.net.borrow_mut().is_silent,
    ) = (false, true);
    world.net.borrow_mut().resolved = Some(Ok(vec![address]));
    assert_eq!(world.after_pause(0), []);
    let told = world.told_after(TIMEOUT);
    assert!(down(&told).ends_with("it was silent for 4s"), "{told:?}");

    world.net.borrow_mut().is_silent = false;
    world.net.borrow_mut().resolved = Some(Ok(vec![address]));
    assert!(matches!(
        world.after_pause(0)[..],
        [Answer::Up(_), Answer::Warning(_)]
    ));
    assert_eq!(world.links[0].deadline(), None, "nothing is owed");
    world.after(TIMEOUT * 9, 0);
    world.ask(&Query::Look);
    let told = world.told_after(TIMEOUT);
    assert!(down(&told).ends_with("it was silent for 4s"), "{told:?}");
}

#[test]
fn where_there_are_other_hosts_one_that_says_nothing_is_left_after_three_seconds() {
    for (url, time) in [
        (TWO, 3_000),
        ("127.0.0.1:1,127.0.0.2:2/a?connect_timeout=2&", 2_000),
        ("127.0.0.1/a?connect_timeout=2&", 2_000),
    ] {
        let mut world = World::new(url, 1, CommitMode::AsSet);
        world.net.borrow_mut().is_silent = true;
        let time = Duration::from_millis(time);
        assert_eq!(world.run(0), []);
        assert_eq!(world.links[0].deadline(), Some(world.now + time), "{url}");
        assert_eq!(world.after(time - MOMENT, 0), []);
        assert_eq!(world.net.borrow().connected.len(), 1, "{url}");
        world.after(MOMENT, 0);
        let hosts = world.links[0].options.url.hosts.len();
        assert_eq!(world.net.borrow().connected.len(), hosts, "{url}");
    }
}

#[test]
fn hosts_are_tried_in_turn_at_once_and_told_together_when_none_takes_a_session() {
    let mut world = World::new(TWO, 1, CommitMode::AsSet);
    world.net.borrow_mut().refusing = vec!["127.0.0.1", "127.0.0.2"];
    let told = world.run(0);
    let refused = "connection refused";
    assert_eq!(
        told,
        [Answer::Down(format!(
            "no host of the database takes bets: 127.0.0.1:1: {refused}; 127.0.0.2:2: {refused}"
        ))]
    );
    assert_eq!(world.net.borrow().connected, ["127.0.0.1:1", "127.0.0.2:2"]);
    // Each pause is as long as the one before, or up to four times as long, and none is longer than three seconds.
    let mut pauses = vec![world.pause(0)];
    for _ in 0..12 {
        world.after_pause(0);
        pauses.push(world.pause(0));
    }
    assert!(
        pauses[0] >= MOMENT * 50 && pauses[0] <= MOMENT * 100,
        "{pauses:?}"
    );
    assert!(pauses[12] >= MOMENT * 1_500, "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| *pause <= LONGEST_PAUSE),
        "{pauses:?}"
    );
    // One of them is there again: what was in the way of the other one stands in the log, too.
    world.net.borrow_mut().refusing = vec!["127.0.0.1"];
    let told = world.after_pause(0);
    let Answer::Up(parts) = &told[0] else {
        panic!("{told:?}");
    };
    assert!(parts.contains(&("database", "127.0.0.2:2".to_owned())));
    assert!(parts.contains(&("passed_over", format!("127.0.0.1:1: {refused}"))));
    // It is lost: the other one is tried next, after a pause.
    let before = world.net.borrow().connected.len();
    world.cut();
    let told = world.run(0);
    let why = "the database at 127.0.0.2:2 is lost: it closed the connection";
    assert_eq!(told, [Answer::Down(why.to_owned())]);
    assert_eq!(
        world.net.borrow().connected.len(),
        before,
        "a pause comes first"
    );
    world.after_pause(0);
    assert_eq!(
        world.net.borrow().connected[before..],
        ["127.0.0.1:1", "127.0.0.2:2"]
    );
}

#[test]
fn where_the_only_host_is_away_it_is_named_and_all_addresses_of_its_name_are_tried() {
    let mut world = World::new("db/a?", 1, CommitMode::AsSet);
    world.run(0);
    world.net.borrow_mut().refusing = vec![""];
    let addresses = [1, 2, 3].map(|host| SocketAddr::from(([127, 0, 0, host], 5432)));
    world.net.borrow_mut().resolved = Some(Ok(addresses.to_vec()));
    let why = "the database cannot be reached at db:5432: connection refused";
    assert_eq!(world.run(0), [Answer::Down(why.to_owned())]);
    assert_eq!(
        world.net.borrow().connected,
        addresses.map(|address| address.to_string())
    );
    world.after_pause(0);
    world.net.borrow_mut().resolved = Some(Ok(Vec::new()));
    let told = world.run(0);
    assert!(
        down(&told[0]).ends_with("its name has no address"),
        "{told:?}"
    );
}

#[test]
fn a_commit_that_is_done_makes_the_pauses_short_again_and_a_look_does_not() {
    let mut world = World::ready(CommitMode::AsSet);
    let mut pause_after = |query: Option<&Query<'_>>| {
        for _ in 0..8 {
            world.cut();
            world.run(0);
            world.after_pause(0);
        }
        if let Some(query) = query {
            world.ask(query);
            assert_eq!(world.reply(&[], done()), [Answer::Done]);
        }
        world.cut();
        world.run(0);
        let pause = world.pause(0);
        world.after_pause(0);
        pause
    };
    assert!(pause_after(Some(&Query::Look)) > MOMENT * 1_000);
    let winner = frame::Number::new(7).unwrap();
    assert!(pause_after(Some(&Query::Draw(winner))) <= MOMENT * 100);
    assert!(pause_after(None) > MOMENT * 1_000);
}

#[test]
fn the_central_ends_where_no_host_can_be_used_as_it_is_configured_but_not_once_it_was_ready() {
    let mut alone = World::new("127.0.0.1/a?", 1, CommitMode::AsSet);
    alone.net.borrow_mut().refuses_with = Some("3D000");
    let why = "what happened (SQLSTATE 3D000): create it, or name another in SERVER_STORE";
    assert_eq!(alone.try_run(0), Err(Unusable(why.to_owned())));

    let mut both = World::new(TWO, 1, CommitMode::AsSet);
    both.net.borrow_mut().refuses_with = Some("3D000");
    let all = format!("127.0.0.1:1: {why}; 127.0.0.2:2: {why}");
    assert_eq!(both.try_run(0), Err(Unusable(all)));

    let mut one_is_away = World::new(TWO, 1, CommitMode::AsSet);
    one_is_away.net.borrow_mut().refuses_with = Some("3D000");
    one_is_away.net.borrow_mut().refusing = vec!["127.0.0.2"];
    assert!(matches!(one_is_away.run(0)[..], [Answer::Down(_)]));

    let mut other = World::new("127.0.0.1/a?", 1, CommitMode::AsSet);
    other.net.borrow_mut().agencies = "6";
    assert!(other.try_run(0).is_err(), "another lottery");

    let mut world = World::ready(CommitMode::AsSet);
    world.net.borrow_mut().refuses_with = Some("3D000");
    world.cut();
    world.run(0);
    let told = world.after_pause(0);
    assert!(down(&told[0]).ends_with(why), "{told:?}");
    (
        world.net.borrow_mut().refuses_with,
        world.net.borrow_mut().agencies,
    ) = (None, "6");
    let told = world.after_pause(0);
    assert!(down(&told[0]).contains("agencies"), "{told:?}");
}

#[test]
fn where_the_first_session_finds_another_lottery_all_sessions_end_until_it_is_the_right_one_again()
{
    let mut world = World::new("127.0.0.1/a?", 2, CommitMode::AsSet);
    assert!(matches!(world.run(0)[0], Answer::Up(_)));
    let first = world.pipe();
    assert!(matches!(world.run(1)[0], Answer::Up(_)));
    assert_eq!(world.run(1), [], "it goes on");

    world.net.borrow_mut().agencies = "6";
    first.borrow_mut().ended = true;
    world.run(0);
    let told = world.after_pause(0);
    let why = down(&told[0]).split(": ").last().unwrap().to_owned();
    let told = world.run(1);
    assert!(
        down(&told[0]).contains("is lost: ") && down(&told[0]).ends_with(&why),
        "{told:?}"
    );
    let before = world.net.borrow().connected.len();
    for _ in 0..20 {
        assert_eq!(
            world.after(LONGEST_PAUSE, 1),
            [],
            "it waits for the first one"
        );
        assert_eq!(world.links[1].deadline(), Some(world.now + MOMENT * 200));
    }
    assert_eq!(world.net.borrow().connected.len(), before);

    world.net.borrow_mut().agencies = "5";
    assert!(matches!(world.run(0)[0], Answer::Up(_)));
    assert!(matches!(world.after_pause(1)[0], Answer::Up(_)));
}

#[test]
fn behind_a_pooler_that_changes_the_backend_the_link_waits_for_half_a_minute() {
    let mut world = World::ready(CommitMode::AsSet);
    world.ask(&Query::Look);
    let other = [identity(77, ""), done()].concat();
    world.pipe().borrow_mut().to_link.extend(other);
    let told = world.run(0);
    assert!(
        down(&told[0]).contains("a pooler in transaction mode"),
        "{told:?}"
    );
    assert_eq!(world.pause(0), Duration::from_secs(30));
}

#[test]
fn a_session_that_is_given_up_while_it_works_is_ended_by_the_next_one_and_an_idle_one_is_not() {
    let mut world = World::ready(CommitMode::AsSet);
    world.links[0].give_up("a test".to_owned());
    let told = world.run(0);
    assert!(down(&told[0]).ends_with("is lost: a test"), "{told:?}");
    assert!(matches!(world.after_pause(0)[0], Answer::Up(_)));
    assert_eq!(world.asked(), "", "it had nothing to do");
    world.ask(&Query::Look);
    world.links[0].give_up("a test".to_owned());
    world.run(0);
    assert!(matches!(world.after_pause(0)[0], Answer::Up(_)));
    let ended = "pid = 1 and extract(epoch from backend_start) = 1.5)";
    assert!(world.asked().contains(ended), "{}", world.asked());
}

#[test]
fn the_password_that_was_read_last_is_sent_to_a_server_of_this_machine_that_asks_for_it() {
    let mut world = World::new("/a?host=/run/postgresql&", 1, CommitMode::AsSet);
    let link = &world.links[0];
    let mut url = link.options.url.clone();
    url.password = Some(Secret("fresh".to_owned()));
    link.access().read_again(Some(&url)).unwrap();
    world.net.borrow_mut().wants_password = true;
    assert!(matches!(world.run(0)[0], Answer::Up(_)));
    let heard = String::from_utf8_lossy(&world.net.borrow().heard).into_owned();
    assert!(heard.contains("fresh\0"), "{heard}");
}
