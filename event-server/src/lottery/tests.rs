use super::*;
use frame::MessageId;

const A: UploadId = UploadId([0xa; 16]);
const B: UploadId = UploadId([0xb; 16]);

fn agency(number: u32) -> Agency {
    Agency::new(number).unwrap()
}

fn batch(number: u32, source: Source, bets: u32) -> Fact {
    Fact::Batch {
        agency: agency(number),
        source,
        id: MessageId([0; 16]),
        bets,
    }
}

#[test]
fn only_agencies_one_to_n_take_part_and_with_zero_anyone_up_to_the_bound() {
    let five = Lottery::new(5);
    assert_eq!(five.check_bet(agency(5)), Ok(()));
    let refusal = RuleRefusal::UnknownAgency {
        agency: agency(6),
        agencies: 5,
    };
    assert_eq!(five.check_bet(agency(6)), Err(refusal));
    assert_eq!(five.check_query(agency(6)), Err(refusal));

    // One that took part when more were configured: after the draw it is told its winners, and no other is.
    let mut fewer = Lottery::new(1);
    fewer.apply(&batch(2, Source::Plain, 3));
    assert!(fewer.check_agency(agency(2)).is_err());
    fewer.apply(&Fact::Drawn {
        position: 0,
        winner: Number::new(7574).unwrap(),
    });
    assert_eq!(fewer.check_agency(agency(2)), Ok(()));
    assert!(fewer.check_agency(agency(3)).is_err());

    let mut anyone = Lottery::new(0);
    for number in 1..=MAX_AGENCIES {
        anyone.apply(&Fact::Finished {
            agency: agency(u32::MAX - number),
        });
    }
    assert_eq!(anyone.check_agency(agency(u32::MAX - 1)), Ok(()));
    assert_eq!(
        anyone.check_agency(agency(1)),
        Err(RuleRefusal::TooManyAgencies)
    );
    assert_eq!(anyone.draw(), Draw::Waiting);
    assert_eq!(
        anyone.check_query(agency(u32::MAX - 1)),
        Err(RuleRefusal::NoDraw)
    );
}

#[test]
fn the_first_stored_batch_decides_an_agencys_source() {
    let mut lottery = Lottery::new(2);
    assert_eq!(lottery.check_resume(agency(1), A), Ok(0));
    assert_eq!(lottery.check_resume(agency(1), B), Ok(0));
    lottery.apply(&batch(1, Source::Upload(A), 3));
    lottery.apply(&batch(1, Source::Upload(A), 4));
    assert_eq!(lottery.check_resume(agency(1), A), Ok(7));
    assert_eq!(
        lottery.check_resume(agency(1), B),
        Err(RuleRefusal::OtherUpload(A))
    );
    assert_eq!(
        lottery.check_batch(agency(1), Source::Upload(B)),
        Err(RuleRefusal::OtherUpload(A))
    );
    assert_eq!(
        lottery.check_batch(agency(1), Source::Plain),
        Err(RuleRefusal::PlainBesideUpload(A))
    );
    assert_eq!(lottery.check_bet(agency(1)), Ok(()));

    lottery.apply(&batch(2, Source::Plain, 1));
    assert_eq!(lottery.check_batch(agency(2), Source::Plain), Ok(()));
    assert_eq!(
        lottery.check_resume(agency(2), A),
        Err(RuleRefusal::UploadBesidePlain)
    );
    assert_eq!(
        lottery.check_finished(agency(2), Some(A), Some(0)),
        Err(RuleRefusal::UploadBesidePlain)
    );
}

#[test]
fn finished_closes_the_bets_and_needs_the_uploads_total() {
    let mut lottery = Lottery::new(2);
    lottery.apply(&batch(1, Source::Upload(A), 3));
    for said in [None, Some(2), Some(4)] {
        let refusal = RuleRefusal::WrongTotal { stored: 3, said };
        assert_eq!(
            lottery.check_finished(agency(1), Some(A), said),
            Err(refusal)
        );
    }
    assert_eq!(
        lottery.check_finished(agency(1), Some(A), Some(3)),
        Ok(true)
    );
    assert_eq!(lottery.check_finished(agency(1), None, Some(99)), Ok(true));
    lottery.apply(&Fact::Finished { agency: agency(1) });
    assert_eq!(
        lottery.check_finished(agency(1), Some(A), Some(3)),
        Ok(false)
    );
    assert_eq!(
        lottery.check_bet(agency(1)),
        Err(RuleRefusal::Finished(agency(1)))
    );
    assert_eq!(lottery.check_resume(agency(1), A), Ok(3));
    assert_eq!(lottery.check_bet(agency(2)), Ok(()));
}

#[test]
fn the_draw_is_due_when_all_have_finished_and_then_done_whatever_the_configuration() {
    let mut lottery = Lottery::new(2);
    lottery.apply(&batch(2, Source::Upload(A), 3));
    lottery.apply(&Fact::Finished { agency: agency(2) });
    assert_eq!(lottery.draw(), Draw::Waiting);
    lottery.apply(&Fact::Finished { agency: agency(1) });
    assert_eq!(lottery.draw(), Draw::Due);
    let winner = Number::new(7574).unwrap();
    lottery.apply(&Fact::Drawn {
        position: 9,
        winner,
    });
    for agencies in [0, 1, 2, 3] {
        let mut again = Lottery::new(agencies);
        lottery.facts().for_each(|fact| again.apply(&fact));
        assert_eq!(
            again.facts().collect::<Vec<_>>(),
            lottery.facts().collect::<Vec<_>>()
        );
        assert_eq!(
            again.draw(),
            Draw::Done {
                position: 9,
                winner
            }
        );
        assert_eq!(
            again.check_query(agency(2)),
            Ok(()),
            "it took part in what was drawn"
        );
        assert_eq!(again.check_resume(agency(2), A), Ok(3));
        assert_eq!(again.check_bet(agency(1)), Err(RuleRefusal::Drawn));
    }
}

#[test]
fn an_agency_whose_bets_could_not_be_kept_is_refused_from_the_first_one_above_the_bound() {
    let mut anyone = Lottery::new(0);
    anyone.limit_agencies(10);
    assert_eq!(anyone.check_bet(agency(10)), Ok(()));
    let refusal = RuleRefusal::AgencyTooLarge {
        agency: agency(11),
        largest: 10,
    };
    assert_eq!(anyone.check_bet(agency(11)), Err(refusal));
}

#[test]
fn where_nothing_is_stored_any_number_is_taken_and_else_the_stored_one_alone() {
    for (stored, has_rows, taken) in [
        (vec![], false, true),
        (vec![], true, false),
        (vec![batch(1, Source::Plain, 1)], false, false),
    ] {
        let mut lottery = Lottery::new(5);
        lottery.apply(&Fact::Agencies { agencies: 5 });
        stored.iter().for_each(|fact| lottery.apply(fact));
        assert_eq!(lottery.start(5, has_rows), Ok(()));
        assert_eq!(lottery.unsettled_number(), None, "it is stored");
        let other = NumberRefusal::Other {
            stored: 5,
            wanted: 3,
        };
        let expected = if taken { Ok(()) } else { Err(other) };
        assert_eq!(lottery.start(3, has_rows), expected);
        let agencies = if taken { 3 } else { 5 };
        assert_eq!(lottery.agencies(), agencies);
        let unsettled = taken.then_some(Fact::Agencies { agencies });
        assert_eq!(lottery.unsettled_number(), unsettled);
    }
}

#[test]
fn a_number_that_is_not_stored_yet_covers_every_agency_that_has_stored_something() {
    let mut lottery = Lottery::new(5);
    lottery.apply(&batch(2, Source::Plain, 1));
    lottery.apply(&batch(4, Source::Plain, 1));
    for wanted in [0, 4, 5] {
        assert_eq!(lottery.check_number(wanted), Ok(()));
        assert_eq!(lottery.start(wanted, true), Ok(()));
        assert_eq!(lottery.agencies(), wanted);
    }
    let refusal = NumberRefusal::AgencyAbove {
        agency: agency(4),
        wanted: 3,
    };
    assert_eq!(lottery.check_number(3), Err(refusal));
    assert_eq!(lottery.start(3, true), Err(refusal));
    assert_eq!(
        refusal.to_string(),
        "agency 4 has stored something, so the lottery cannot be of 3 agencies"
    );

    lottery.apply(&Fact::Drawn {
        position: 9,
        winner: Number::new(7574).unwrap(),
    });
    assert_eq!(lottery.check_number(5), Err(NumberRefusal::Drawn));
    assert_eq!(
        lottery.start(3, true),
        Ok(()),
        "it changes nothing any more"
    );
}

#[test]
fn an_agency_that_is_read_again_counts_as_what_was_read() {
    let mut lottery = Lottery::new(2);
    lottery.apply(&Fact::Finished { agency: agency(2) });
    let mut account = Account::default();
    account.apply(&batch(1, Source::Upload(A), 3));
    lottery.replace(agency(1), account, &[B]);
    assert_eq!(lottery.draw(), Draw::Waiting, "it has not finished");
    assert_eq!(lottery.check_resume(agency(1), A), Ok(3));
    let taken_out = Err(RuleRefusal::TakenOut(agency(1)));
    assert_eq!(lottery.check_resume(agency(1), B), taken_out);

    // What was barred before and is not any more is forgotten, and what is barred of others stays.
    lottery.replace(agency(2), Account::default(), &[A]);
    account.apply(&Fact::Finished { agency: agency(1) });
    lottery.replace(agency(1), account, &[]);
    assert_eq!(
        lottery.check_resume(agency(1), B),
        Err(RuleRefusal::OtherUpload(A))
    );
    let taken_out = Err(RuleRefusal::TakenOut(agency(2)));
    assert_eq!(lottery.check_resume(agency(2), A), taken_out);
    lottery.apply(&Fact::Finished { agency: agency(2) });
    assert_eq!(lottery.draw(), Draw::Due);
}

#[test]
fn a_reopened_agency_sends_another_file_unless_the_same_one_is_allowed() {
    let mut lottery = Lottery::new(2);
    for number in [1, 2] {
        lottery.apply(&batch(number, Source::Upload(A), 3));
        lottery.reopen(agency(number), false);
        let taken_out = Err(RuleRefusal::TakenOut(agency(number)));
        assert_eq!(lottery.check_resume(agency(number), A), taken_out);
        assert_eq!(lottery.check_resume(agency(number), B), Ok(0));
    }
    lottery.apply(&batch(1, Source::Upload(B), 4));
    lottery.reopen(agency(1), true);
    assert_eq!(lottery.check_resume(agency(1), A), Ok(0));
    assert_eq!(lottery.check_resume(agency(1), B), Ok(0));
    let taken_out = Err(RuleRefusal::TakenOut(agency(2)));
    assert_eq!(lottery.check_resume(agency(2), A), taken_out, "another one");
}

#[test]
fn nothing_joins_bets_that_were_taken_over() {
    let mut lottery = Lottery::new(2);
    let bets = 7;
    let agency = agency(1);
    lottery.apply(&Fact::Stored {
        agency,
        source: Source::TakenOver,
        bets,
    });
    let open = RuleRefusal::TakenOver { agency, bets };
    let closed = RuleRefusal::ClosedTakenOver { agency, bets };
    assert_eq!(lottery.check_resume(agency, A), Err(open));
    assert_eq!(lottery.check_batch(agency, Source::Plain), Err(open));
    lottery.apply(&Fact::Finished { agency });
    assert_eq!(lottery.check_resume(agency, A), Err(closed));
}
