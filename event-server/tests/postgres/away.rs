//! A database that is away, goes, is silent, is full, or comes back: nobody is told anything untrue meanwhile.
