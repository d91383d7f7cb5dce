//! `GET /api/v1/cart`.
