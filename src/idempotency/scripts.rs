//! The Lua scripts, each atomic in Redis. All keys of a script have one hash tag, so that a cluster has
//! them on one node.

use redis::Script;

/// Claims a key or returns its present state.
///
/// `KEYS[1]` the scope; ARGV: fingerprint, owner, lease in ms. Returns nil if the key is claimed now, else
/// fingerprint, status and body; without a status a request is at work. The owner's claim is no one else's:
/// a cluster's client repeats a command whose answer was lost.
const BEGIN: &str = r"
local found = redis.call('hmget', KEYS[1], 'fingerprint', 'status', 'body', 'owner')
if found[4] == ARGV[2] then return nil end
if found[1] then return {found[1], found[2], found[3]} end
redis.call('hset', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2])
redis.call('pexpire', KEYS[1], ARGV[3])
return nil
";
/// Renews a lease, for its owner only. `KEYS[1]` the scope; ARGV: owner, lease in ms.
const RENEW: &str = r"
if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
";
/// Replaces a claim by the answer, even if another attempt holds the claim by now; an earlier answer stays.
///
/// `KEYS[1]` the scope, `KEYS[2]` the counter of bytes recently kept for the store; ARGV: fingerprint, status,
/// body, time to live in ms, bytes that the answer counts for, the store's limit of bytes, lifetime of the
/// counter in ms. Returns 0 if the answer is not kept.
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
/// Releases a claim, for its owner only. `KEYS[1]` the scope; ARGV: owner.
const RELEASE: &str = r"
if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
";

/// The scripts with their digests.
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
