-- A search index beside the job table: all of it can be made anew from there at any time.
-- The newest job that it knows. What it says holds as long as the job table has, or had, this very job.
CREATE TABLE mark (
    id         INTEGER PRIMARY KEY,
    identity   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);
-- The ids up to the mark that no job had. One may come back under its old id.
CREATE TABLE gaps (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
);
-- Some of the names, which tell how rare three letters are.
CREATE TABLE samples (identity TEXT NOT NULL);
-- Names by every three characters in a row; it keeps no text of its own, and the rowid is the job's id.
CREATE VIRTUAL TABLE names USING fts5(
    identity, content = '', columnsize = 0, detail = none, tokenize = 'trigram case_sensitive 1'
);
INSERT INTO names (names, rank) VALUES ('hashsize', 16777216);
