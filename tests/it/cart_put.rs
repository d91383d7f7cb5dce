//! `PUT /api/v1/cart`: what is frozen, what is refused, what is replaced.
