-- Names by every three characters in a row, so that a search looks only at jobs that may match. The index keeps no
-- text of its own. No trigger fills it: SQLite lets none write to a virtual table where the schema is not trusted.
CREATE VIRTUAL TABLE job_names USING fts5(identity, content='', columnsize=0, tokenize='trigram');
INSERT INTO job_names (rowid, identity) SELECT id, identity FROM jobs;
