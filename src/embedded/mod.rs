//! Our own private PostgreSQL and Redis.
