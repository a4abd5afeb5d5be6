-- What is told to domain owners: rows of a day, and what became of the reports. Days count from 1970-01-01 (UTC), times are milliseconds since then.
-- 0 stands for "none" in columns that name a row of another table, so that each is part of a key.

-- Domains as A-labels in lower case.
CREATE TABLE IF NOT EXISTS domain (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(320) NOT NULL UNIQUE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A policy as published (RFC 9990 section 3.1.1.5). hash: of everything but rua, which is no part of a report.
CREATE TABLE IF NOT EXISTS policy (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    domain_id BIGINT NOT NULL,
    hash VARBINARY(32) NOT NULL,
    p VARCHAR(32) NOT NULL,
    sp VARCHAR(32),
    np VARCHAR(32),
    adkim VARCHAR(32) NOT NULL,
    aspf VARCHAR(32) NOT NULL,
    fo VARCHAR(32),
    testing BIGINT NOT NULL,
    discovery VARCHAR(32) NOT NULL,
    rua MEDIUMTEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    UNIQUE (domain_id, hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Results of a message (RFC 9990 section 3.1.1.6), as JSON: dkim, a list of [domain, selector, result]; spf, [domain, scope, result].
CREATE TABLE IF NOT EXISTS authset (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hash VARBINARY(32) NOT NULL UNIQUE,
    body MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Why a policy was not applied (RFC 9990 section 3.1.1.9), as JSON: a list of [type, comment].
CREATE TABLE IF NOT EXISTS reason (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hash VARBINARY(32) NOT NULL UNIQUE,
    body MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- disp: 0 none, 1 pass, 2 quarantine, 3 reject. dkim, spf: 1 when an aligned identifier passed. ip: 4 or 16 octets.
CREATE TABLE IF NOT EXISTS out_day (
    day BIGINT NOT NULL,
    policy_id BIGINT NOT NULL,
    ip VARBINARY(16) NOT NULL,
    from_id BIGINT NOT NULL,
    env_id BIGINT NOT NULL,
    to_id BIGINT NOT NULL,
    authset_id BIGINT NOT NULL,
    disp BIGINT NOT NULL,
    dkim BIGINT NOT NULL,
    spf BIGINT NOT NULL,
    reason_id BIGINT NOT NULL,
    qualifies BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (day, policy_id, ip, from_id, env_id, to_id, authset_id, disp, dkim, spf, reason_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Messages of a day and policy, those included whose rows were summed up: overflow.
CREATE TABLE IF NOT EXISTS out_total (
    day BIGINT NOT NULL,
    policy_id BIGINT NOT NULL,
    passed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    overflow BIGINT NOT NULL,
    PRIMARY KEY (day, policy_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- How far the journal of each node is counted. journal: its identity; segment, octets: the place; the rest: what was met on the way.
CREATE TABLE IF NOT EXISTS journal_mark (
    node VARCHAR(320) NOT NULL PRIMARY KEY,
    journal VARCHAR(320) NOT NULL,
    segment VARCHAR(320) NOT NULL,
    octets BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    damaged BIGINT NOT NULL,
    torn BIGINT NOT NULL,
    gaps BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- When mail was last sent to a domain, and taken from it with a pass; days, 0 for never.
CREATE TABLE IF NOT EXISTS contact (
    domain_id BIGINT NOT NULL PRIMARY KEY,
    last_sent_to BIGINT NOT NULL,
    last_accepted_from BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- state: frozen, sending, done, nothing (nobody wants it), expired. One report a policy and period, whoever makes it.
CREATE TABLE IF NOT EXISTS report_out (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    policy_id BIGINT NOT NULL,
    period_begin BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    report_id VARCHAR(320) NOT NULL,
    state VARCHAR(32) NOT NULL,
    row_count BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    xml_gz LONGBLOB,
    created BIGINT NOT NULL,
    UNIQUE (policy_id, period_begin, period_end),
    KEY report_out_state (state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- state: pending, leased, sending, sent, retry, rejected, expired, suppressed, held. A lease ends by itself at lease_until. max_octets: 0 for any.
CREATE TABLE IF NOT EXISTS report_delivery (
    report_id BIGINT NOT NULL,
    rcpt VARCHAR(320) NOT NULL,
    state VARCHAR(32) NOT NULL,
    attempts BIGINT NOT NULL,
    next_try BIGINT NOT NULL,
    lease_node VARCHAR(320) NOT NULL,
    lease_until BIGINT NOT NULL,
    last_code BIGINT NOT NULL,
    last_text MEDIUMTEXT NOT NULL,
    max_octets BIGINT NOT NULL,
    PRIMARY KEY (report_id, rcpt),
    KEY report_delivery_state (state, next_try)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Addresses and domains that get nothing, and until when; source: bounce, operator, import.
CREATE TABLE IF NOT EXISTS suppression (
    target VARCHAR(320) NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL,
    reason MEDIUMTEXT NOT NULL,
    source VARCHAR(32) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Failure reports of a day and domain (RFC 9991): sent, and merged into those.
CREATE TABLE IF NOT EXISTS failure_out (
    day BIGINT NOT NULL,
    domain_id BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    merged BIGINT NOT NULL,
    PRIMARY KEY (day, domain_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- epoch: changes when ids of domain, policy, authset or reason are taken away. Who uses ids that it has kept reads it in the same transaction.
CREATE TABLE IF NOT EXISTS ledger_meta (
    name VARCHAR(320) NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT INTO ledger_meta (name, value) VALUES ('epoch', 1) ON DUPLICATE KEY UPDATE value = value;
