//! What may happen next, and what must hold after it.

use stateright::{Model, Property};

use crate::database::{AGENCIES, Account, Row, Tables, Transaction};
use crate::state::{
    Agency, CENTRALS, Central, Connection, Drawn, ENDS_WELL, Lottery, SESSIONS, Session, Stage,
    State,
};

/// A step of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An agency connects to a central, which reads how it stands.
    Resume {
        agency: usize,
        central: usize,
    },
    /// The group of a session is sent, and appended or refused.
    Commit {
        central: usize,
        session: usize,
    },
    /// A central looks whether all have finished, or there is a draw.
    Look {
        central: usize,
    },
    Draw {
        central: usize,
    },
    /// A central sends a commit that confirms the draw that it has read.
    Confirm {
        central: usize,
    },
    /// A backend that was given up goes on.
    AppendAbandoned {
        place: usize,
    },
    /// The standby has the next transaction.
    Replicate,
    /// The answer to a commit comes.
    Acknowledge {
        central: usize,
        session: usize,
    },
    /// A central notices that its session is with an old primary.
    Notice {
        central: usize,
        session: usize,
    },
    /// An operator takes out the upload of an agency.
    Reopen {
        agency: usize,
    },
    /// A fault: a standby becomes the primary, and has kept this number of the transactions that it need not have.
    Failover {
        kept: usize,
    },
    /// A fault: a session ends, whose group was not sent, or is abandoned on its way.
    LoseSession {
        central: usize,
        session: usize,
        abandoned: bool,
    },
    /// A fault: an agency gives up its connection, and its central does not notice.
    LoseConnection {
        agency: usize,
    },
    /// A fault: a central forgets an agency to make room.
    Forget {
        central: usize,
        agency: usize,
    },
}

impl Lottery {
    /// What a session may do next.
    fn session_steps(
        &self,
        state: &State,
        here: (usize, usize),
        session: &Session,
        steps: &mut Vec<Step>,
    ) {
        let (number, place) = here;
        let central = &state.centrals[number];
        let waits = |agency: usize| {
            let connection = central.connections[agency];
            matches!(
                connection,
                Some(Connection::Claiming | Connection::Asking(_))
            ) && self.session_of(agency) == place
        };
        let has_group = session.query.is_none() && (0..AGENCIES).any(waits);
        match &session.query {
            Some((_, Stage::Replicated)) => steps.push(Step::Acknowledge {
                central: number,
                session: place,
            }),
            Some(_) if !self.rules.a_commit_waits_for_the_standby => {
                steps.push(Step::Acknowledge {
                    central: number,
                    session: place,
                });
            }
            Some(_) => {}
            None => {
                steps.extend(has_group.then_some(Step::Commit {
                    central: number,
                    session: place,
                }));
                let held = central.connections.contains(&Some(Connection::Held));
                match central.drawn {
                    _ if place > 0 => {}
                    Drawn::No if held => steps.push(Step::Look { central: number }),
                    Drawn::Due => steps.push(Step::Draw { central: number }),
                    Drawn::Read(_) => steps.push(Step::Confirm { central: number }),
                    Drawn::No | Drawn::Confirmed(_) => {}
                }
            }
        }
        if session.is_old {
            steps.push(Step::Notice {
                central: number,
                session: place,
            });
        } else if state.faults > 0 {
            let lost = |abandoned| Step::LoseSession {
                central: number,
                session: place,
                abandoned,
            };
            steps.extend(session.query.is_some().then(|| lost(false)));
            steps.extend(has_group.then(|| lost(true)));
        }
    }
}

impl Model for Lottery {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let session = Session {
            is_old: false,
            query: None,
        };
        let central = Central {
            sessions: [session; SESSIONS],
            known: [None; AGENCIES],
            connections: [None; AGENCIES],
            drawn: Drawn::No,
        };
        let agency = Agency {
            at: None,
            upload: 0,
            told: 0,
            told_finished: false,
            winners: None,
            was_told_less: false,
        };
        vec![State {
            replicated: Tables::default(),
            tail: Vec::new(),
            old: None,
            abandoned: Vec::new(),
            centrals: [central; CENTRALS],
            agencies: [agency; AGENCIES],
            faults: self.faults,
            reopenings: self.reopenings,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (number, agency) in state.agencies.iter().enumerate() {
            if agency.winners.is_some() {
                continue;
            }
            if agency.at.is_some() {
                steps.extend((state.faults > 0).then_some(Step::LoseConnection { agency: number }));
                continue;
            }
            for (central, place) in state.centrals.iter().enumerate() {
                if place.sessions[self.session_of(number)].query.is_none() {
                    steps.push(Step::Resume {
                        agency: number,
                        central,
                    });
                }
            }
        }
        for (number, central) in state.centrals.iter().enumerate() {
            for (place, session) in central.sessions.iter().enumerate() {
                let here = (number, place);
                self.session_steps(state, here, session, steps);
            }
            for agency in (0..AGENCIES).filter(|_| state.faults > 0) {
                if central.known[agency].is_some() {
                    steps.push(Step::Forget {
                        central: number,
                        agency,
                    });
                }
            }
        }
        steps.extend((0..state.abandoned.len()).map(|place| Step::AppendAbandoned { place }));
        if !state.tail.is_empty() {
            steps.push(Step::Replicate);
        }
        if state.faults > 0 {
            steps.extend((0..=state.tail.len()).map(|kept| Step::Failover { kept }));
        }
        if state.reopenings > 0 {
            steps.extend((0..AGENCIES).map(|agency| Step::Reopen { agency }));
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        let rules = &self.rules;
        match step {
            Step::Resume { agency, central } => {
                state.agencies[agency].at = Some(central);
                let session = &last.centrals[central].sessions[self.session_of(agency)];
                let tables = last.read(session, rules);
                let account = tables.accounts[agency];
                state.centrals[central].known[agency] = Some(account);
                if rules.a_resume_is_a_commit {
                    state.centrals[central].connections[agency] = Some(Connection::Claiming);
                } else {
                    state.tell(self, central, agency, &account);
                }
            }
            Step::Commit { central, session } => {
                let rows = state.group(self, central, session);
                if !state.send(self, central, session, Transaction::Versions(rows)) {
                    state.refuse(central, &rows, rules);
                }
            }
            Step::Look { central } => {
                let tables = last.read(&last.centrals[central].sessions[0], rules);
                state.centrals[central].drawn = match tables.draw {
                    Some(entries) => Drawn::Read(entries),
                    None if tables.all_finished() => Drawn::Due,
                    None => return None,
                };
            }
            Step::Draw { central } => {
                state.centrals[central].drawn = Drawn::No;
                state.send(self, central, 0, Transaction::Draw);
            }
            Step::Confirm { central } => {
                state.send(self, central, 0, Transaction::Barrier);
            }
            Step::AppendAbandoned { place } => {
                let transaction = state.abandoned.remove(place);
                if last.primary(rules).append(&transaction, rules) {
                    state.tail.push(transaction);
                }
            }
            Step::Replicate => {
                let transaction = state.tail.remove(0);
                state.replicated.append(&transaction, rules);
                for central in &mut state.centrals {
                    for session in &mut central.sessions {
                        if let Some((_, stage @ Stage::Appended(_))) = &mut session.query {
                            *stage = match *stage {
                                Stage::Appended(usize::MAX) => *stage,
                                Stage::Appended(behind) if behind > 1 => {
                                    Stage::Appended(behind - 1)
                                }
                                _ => Stage::Replicated,
                            };
                        }
                    }
                }
            }
            Step::Acknowledge { central, session } => {
                let (transaction, _) = state.centrals[central].sessions[session].query.take()?;
                state.acknowledge(self, central, session, &transaction);
            }
            Step::Notice { central, session } => state.lose(self, central, session),
            Step::Reopen { agency } => {
                let tables = last.primary(rules);
                let account = tables.accounts[agency];
                if tables.draw.is_some() || account.version == 0 {
                    return None;
                }
                let account = Account {
                    version: account.version + 1,
                    upload: account.upload + 1,
                    bets: 0,
                    finished: false,
                };
                let row = Row {
                    agency,
                    account,
                    before: 0,
                    bet: 0,
                };
                state.tail.push(Transaction::Versions([Some(row), None]));
                state.reopenings -= 1;
            }
            Step::Failover { kept } => {
                state.old = Some(last.primary(rules));
                state.tail.truncate(kept);
                state.abandoned.clear();
                state.faults -= 1;
                for central in 0..CENTRALS {
                    for session in 0..self.sessions {
                        if last.centrals[central].sessions[session].is_old {
                            state.lose(self, central, session);
                            state.old = Some(last.primary(rules));
                        }
                        let session = &mut state.centrals[central].sessions[session];
                        session.is_old = true;
                        if let Some((_, stage @ Stage::Appended(_))) = &mut session.query {
                            *stage = Stage::Appended(usize::MAX);
                        }
                    }
                }
            }
            Step::LoseSession {
                central,
                session,
                abandoned,
            } => {
                state.faults -= 1;
                if abandoned {
                    let rows = state.group(self, central, session);
                    state.abandoned.push(Transaction::Versions(rows));
                    state.abandoned.sort_unstable();
                }
                state.lose(self, central, session);
            }
            Step::LoseConnection { agency } => {
                state.faults -= 1;
                state.agencies[agency].at = None;
            }
            Step::Forget { central, agency } => {
                state.faults -= 1;
                if rules.forgetting_closes_the_connection {
                    state.centrals[central].known[agency] = None;
                    state.close(central, agency);
                } else {
                    state.read_again(self, central, agency);
                }
            }
        }
        state.leave_out_what_is_not_used();
        state.sort_centrals();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what an agency is told is stored", |_, state: &State| {
                state
                    .agencies
                    .iter()
                    .zip(&state.replicated.accounts)
                    .all(|(agency, account)| {
                        account.upload > agency.upload
                            || (account.upload == agency.upload
                                && agency.told <= account.bets
                                && (!agency.told_finished || account.finished))
                    })
            }),
            Property::always("no agency is told less than before", |_, state: &State| {
                !state.agencies.iter().any(|agency| agency.was_told_less)
            }),
            Property::always("each bet is stored once, in order", |_, state: &State| {
                let Tables {
                    accounts,
                    stored,
                    is_mixed,
                    ..
                } = &state.replicated;
                !is_mixed
                    && accounts
                        .iter()
                        .zip(stored)
                        .all(|(account, stored)| account.bets == *stored)
            }),
            Property::always(
                "all are told the same winners, of a draw that stays",
                |_, state: &State| {
                    let draw = &state.replicated.draw;
                    state
                        .agencies
                        .iter()
                        .all(|agency| agency.winners.is_none() || agency.winners == *draw)
                },
            ),
            Property::always(
                "there is a draw only when all have finished, and nothing changes after it",
                |_, state: &State| {
                    let Tables { draw, .. } = &state.replicated;
                    draw.as_ref().is_none_or(|draw| {
                        state.replicated.all_finished() && *draw == state.replicated.entries()
                    })
                },
            ),
            Property::sometimes(ENDS_WELL, |lottery: &Self, state: &State| {
                state.faults == 0
                    && state.reopenings == 0
                    && state.agencies.iter().all(|agency| agency.winners.is_some())
                    && lottery.faults + lottery.reopenings > 0
            }),
        ]
    }
}
