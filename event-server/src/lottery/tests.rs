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
