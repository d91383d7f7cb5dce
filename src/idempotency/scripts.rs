//! What Redis does in one go. The keys of a script are under one hash tag, so that a cluster has them
//! in one place.

use redis::Script;

/// KEYS[1] the scope; ARGV: fingerprint, owner, lease in ms. Nil if the claim is ours now, else the
/// fingerprint, status and body of what is there (no status: at work).
const BEGIN: &str = r"
local found = redis.call('hmget', KEYS[1], 'fingerprint', 'status', 'body')
if found[1] then return found end
redis.call('hset', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2])
redis.call('pexpire', KEYS[1], ARGV[3])
return nil
";
/// ARGV: owner, lease in ms. Only the owner may renew.
const RENEW: &str = r"
if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
";
/// KEYS[2] how many bytes of answers were kept for the store of late; ARGV: fingerprint, status, body,
/// how long to keep it in ms, how many bytes the answer counts for, how many a store may have, how long
/// they are counted in ms. Whoever holds the key now; but the first answer stays. 0 if it is not kept.
const FINISH: &str = r"
if redis.call('hexists', KEYS[1], 'status') == 1 then return 1 end
redis.call('del', KEYS[1])
local kept = tonumber(redis.call('get', KEYS[2]) or '0')
if kept + tonumber(ARGV[5]) > tonumber(ARGV[6]) then return 0 end
redis.call('hset', KEYS[1], 'fingerprint', ARGV[1], 'status', ARGV[2], 'body', ARGV[3])
redis.call('pexpire', KEYS[1], ARGV[4])
redis.call('incrby', KEYS[2], ARGV[5])
if kept == 0 then redis.call('pexpire', KEYS[2], ARGV[7]) end
return 1
";
/// ARGV: owner. Only the owner may give up.
const RELEASE: &str = r"
if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
";

/// The scripts, each with its digest.
pub(super) struct Scripts {
    pub begin: Script,
    pub renew: Script,
    pub finish: Script,
    pub release: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            begin: Script::new(BEGIN),
            renew: Script::new(RENEW),
            finish: Script::new(FINISH),
            release: Script::new(RELEASE),
        }
    }
}
