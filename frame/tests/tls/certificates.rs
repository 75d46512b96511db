//! Certificates that are refused.

use fixtures::certificates::{Authority, Role, Term};
use frame::TlsError;

use crate::pair::{Pair, World, said};

#[test]
fn each_side_says_why_it_refuses_a_certificate_and_that_its_own_was_refused() {
    use Role::{Client, Server};
    use Term::{Current, Future, Past};
    let foreign = "it was not signed by the authority that is trusted here";
    let other_use = "it was made for the other side of a connection";
    let other_name = "it is for elsewhere, not for central";
    for (side, made_for, name, term, own, words) in [
        (Server, Server, "central", Past, true, "it has expired"),
        (
            Server,
            Server,
            "central",
            Future,
            true,
            "it is not valid yet",
        ),
        (Server, Server, "elsewhere", Current, true, other_name),
        (Server, Server, "central", Current, false, foreign),
        (Server, Client, "central", Current, true, other_use),
        (Client, Client, "agency-3", Past, true, "it has expired"),
        (Client, Client, "agency-3", Current, false, foreign),
        (Client, Server, "agency-3", Current, true, other_use),
    ] {
        let mut world = World::new();
        // An authority of the same name with another key.
        let other = Authority::new("lottery").unwrap();
        let authority = if own { &world.authority } else { &other };
        let identity = authority.sign(made_for, &[name], term).unwrap();
        match side {
            Server => world.server = identity,
            Client => world.agency = identity,
        }
        let mut pair = Pair::new(&world, 0, usize::MAX);
        let (mut client, mut server) = (None, None);
        for _ in 0..20 {
            pair.event();
            client = pair.client.receive().err().or(client);
            server = pair.server.receive().err().or(server);
            pair.client.send().unwrap();
            pair.server.send().unwrap();
        }
        let (client, server) = (said(&client.expect(words)), said(&server.expect(words)));
        let (refuses, refused) = match side {
            Server => (client, server),
            Client => (server, client),
        };
        assert_eq!(refuses, TlsError::Untrusted(words.to_owned()));
        assert!(matches!(refused, TlsError::Distrusted(_)), "{refused}");
    }
}
