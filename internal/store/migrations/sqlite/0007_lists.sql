-- The log of one environment, and the tokens of one owner, are found without
-- reading all of them.
CREATE INDEX audit_environment ON audit (environment, seq);
CREATE INDEX tokens_owner ON tokens (owner);
