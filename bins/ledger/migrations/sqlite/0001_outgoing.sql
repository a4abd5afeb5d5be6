-- What is told to domain owners: rows of a day, and what became of the reports. Days count from 1970-01-01 (UTC), times are milliseconds since then.
-- 0 stands for "none" in columns that name a row of another table, so that each is part of a key.

-- Domains as A-labels in lower case.
CREATE TABLE IF NOT EXISTS domain (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- A policy as published (RFC 9990 section 3.1.1.5). hash: of everything but rua, which is no part of a report.
CREATE TABLE IF NOT EXISTS policy (
    id INTEGER PRIMARY KEY,
    domain_id INTEGER NOT NULL,
    hash BLOB NOT NULL,
    p TEXT NOT NULL,
    sp TEXT,
    np TEXT,
    adkim TEXT NOT NULL,
    aspf TEXT NOT NULL,
    fo TEXT,
    testing INTEGER NOT NULL,
    discovery TEXT NOT NULL,
    rua TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    UNIQUE (domain_id, hash)
);

-- Results of a message (RFC 9990 section 3.1.1.6), as JSON: dkim, a list of [domain, selector, result]; spf, [domain, scope, result].
CREATE TABLE IF NOT EXISTS authset (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    body TEXT NOT NULL
);

-- Why a policy was not applied (RFC 9990 section 3.1.1.9), as JSON: a list of [type, comment].
CREATE TABLE IF NOT EXISTS reason (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    body TEXT NOT NULL
);

-- disp: 0 none, 1 pass, 2 quarantine, 3 reject. dkim, spf: 1 when an aligned identifier passed. ip: 4 or 16 octets.
CREATE TABLE IF NOT EXISTS out_day (
    day INTEGER NOT NULL,
    policy_id INTEGER NOT NULL,
    ip BLOB NOT NULL,
    from_id INTEGER NOT NULL,
    env_id INTEGER NOT NULL,
    to_id INTEGER NOT NULL,
    authset_id INTEGER NOT NULL,
    disp INTEGER NOT NULL,
    dkim INTEGER NOT NULL,
    spf INTEGER NOT NULL,
    reason_id INTEGER NOT NULL,
    qualifies INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (day, policy_id, ip, from_id, env_id, to_id, authset_id, disp, dkim, spf, reason_id)
) WITHOUT ROWID;

-- Messages of a day and policy, those included whose rows were summed up: overflow.
CREATE TABLE IF NOT EXISTS out_total (
    day INTEGER NOT NULL,
    policy_id INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    overflow INTEGER NOT NULL,
    PRIMARY KEY (day, policy_id)
) WITHOUT ROWID;

-- How far the journal of each node is counted. journal: its identity; segment, octets: the place; the rest: what was met on the way.
CREATE TABLE IF NOT EXISTS journal_mark (
    node TEXT NOT NULL PRIMARY KEY,
    journal TEXT NOT NULL,
    segment TEXT NOT NULL,
    octets INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    torn INTEGER NOT NULL,
    gaps INTEGER NOT NULL
);

-- When mail was last sent to a domain, and taken from it with a pass; days, 0 for never.
CREATE TABLE IF NOT EXISTS contact (
    domain_id INTEGER NOT NULL PRIMARY KEY,
    last_sent_to INTEGER NOT NULL,
    last_accepted_from INTEGER NOT NULL
);

-- state: frozen, sending, done, nothing (nobody wants it), expired. One report a policy and period, whoever makes it.
CREATE TABLE IF NOT EXISTS report_out (
    id INTEGER PRIMARY KEY,
    policy_id INTEGER NOT NULL,
    period_begin INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    report_id TEXT NOT NULL,
    state TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    xml_gz BLOB,
    created INTEGER NOT NULL,
    UNIQUE (policy_id, period_begin, period_end)
);
CREATE INDEX IF NOT EXISTS report_out_state ON report_out (state);

-- state: pending, leased, sending, sent, retry, rejected, expired, suppressed, held. A lease ends by itself at lease_until. max_octets: 0 for any.
CREATE TABLE IF NOT EXISTS report_delivery (
    report_id INTEGER NOT NULL,
    rcpt TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_try INTEGER NOT NULL,
    lease_node TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    last_code INTEGER NOT NULL,
    last_text TEXT NOT NULL,
    max_octets INTEGER NOT NULL,
    PRIMARY KEY (report_id, rcpt)
);
CREATE INDEX IF NOT EXISTS report_delivery_state ON report_delivery (state, next_try);

-- Addresses and domains that get nothing, and until when; source: bounce, operator, import.
CREATE TABLE IF NOT EXISTS suppression (
    target TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL,
    reason TEXT NOT NULL,
    source TEXT NOT NULL
);

-- Failure reports of a day and domain (RFC 9991): sent, and merged into those.
CREATE TABLE IF NOT EXISTS failure_out (
    day INTEGER NOT NULL,
    domain_id INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    merged INTEGER NOT NULL,
    PRIMARY KEY (day, domain_id)
) WITHOUT ROWID;

-- epoch: changes when ids of domain, policy, authset or reason are taken away. Who uses ids that it has kept reads it in the same transaction.
CREATE TABLE IF NOT EXISTS ledger_meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
);
INSERT OR IGNORE INTO ledger_meta (name, value) VALUES ('epoch', 1);
