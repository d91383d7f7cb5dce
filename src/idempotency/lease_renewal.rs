//! Renews the lease of a claim for as long as the work under its key takes: three times within a lease,
//! so that a renewal that Redis misses does not free the key. The request that made the claim renews
//! it, in its own task.

use super::{claim::Claim, redis_claims::Claims};

/// The renewals within a lease.
const RENEWALS_PER_LEASE: u32 = 3;

impl Claims {
    /// Carries out the work, renewing the claim meanwhile.
    pub async fn renewing<W: Future>(&self, claim: &Claim, work: W) -> W::Output {
        let renew = async {
            loop {
                tokio::time::sleep(self.lease() / RENEWALS_PER_LEASE).await;
                self.renew(claim).await;
            }
        };
        tokio::select! {
            output = work => output,
            () = renew => unreachable!("the loop has no end"),
        }
    }
}
