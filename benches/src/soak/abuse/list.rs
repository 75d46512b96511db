//! All kinds of abuse.

use super::{Abuse, connections, requests, watching};

/// Connections that never send anything.
pub const SILENT: Abuse = Abuse {
    name: "10,000 idle connections",
    act: connections::silent,
};

/// Watchers of the HTTP port.
pub const WATCHING: Abuse = Abuse {
    name: "a scrape, slow watchers",
    act: watching::watching,
};

/// All others.
pub const OTHERS: [Abuse; 10] = [
    Abuse {
        name: "10,000 that come and go",
        act: connections::leaving,
    },
    Abuse {
        name: "a byte a second from 1,000",
        act: connections::trickling,
    },
    Abuse {
        name: "sends, never reads",
        act: connections::deaf,
    },
    Abuse {
        name: "connects and resets",
        act: connections::resetting,
    },
    Abuse {
        name: "text without end",
        act: connections::endless_text,
    },
    Abuse {
        name: "broken frames",
        act: connections::broken_frames,
    },
    Abuse {
        name: "batches with a bad bet",
        act: requests::spoiled_batches,
    },
    Abuse {
        name: "odd bytes in every field",
        act: requests::odd_fields,
    },
    Abuse {
        name: "requests for others",
        act: requests::for_others,
    },
    Abuse {
        name: "winners queries, held",
        act: requests::queries,
    },
];
