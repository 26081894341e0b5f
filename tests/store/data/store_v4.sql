PRAGMA application_id = 1213353555;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE completions (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    meta     TEXT NOT NULL,
    created  TEXT NOT NULL,
    checksum TEXT NOT NULL
);
INSERT INTO "completions" VALUES(1,'81b85a824928f1bbc922e2956eb01374','{"completion_tokens":1,"error":"","finish_reason":"stop","prompt_tokens":1,"seconds":0.0,"text":"one"}','{"adapter":null,"case":"a","model":"m","repeat":0,"turn":0,"variant":"base"}','2026-11-21T11:20:00+00:00','81275b1a71336a0b');
INSERT INTO "completions" VALUES(2,'4450c4e5008ad4ee970fc60e1adaaf59','{"completion_tokens":1,"error":"","finish_reason":"stop","prompt_tokens":1,"seconds":0.0,"text":"one"}','{"adapter":"a","case":"a","model":"m","repeat":0,"turn":0,"variant":"tuned"}','2026-11-21T11:20:00+00:00','a8c2e35b4ff6561f');
INSERT INTO "completions" VALUES(3,'0300fdafa79a553fbaa5142901320a35','{"completion_tokens":1,"error":"","finish_reason":"stop","prompt_tokens":3,"seconds":0.0,"text":"two"}','{"adapter":null,"case":"a","model":"m","repeat":0,"turn":1,"variant":"base"}','2026-11-21T11:20:00+00:00','c4558f6f9c34efd0');
INSERT INTO "completions" VALUES(4,'d00fd151b11d2f00a8588ed17a1ad252','{"completion_tokens":1,"error":"","finish_reason":"stop","prompt_tokens":3,"seconds":0.0,"text":"two"}','{"adapter":"a","case":"a","model":"m","repeat":0,"turn":1,"variant":"tuned"}','2026-11-21T11:20:00+00:00','b10b9a0bcbfe3039');
CREATE TABLE journal (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    checksum TEXT NOT NULL
);
INSERT INTO "journal" VALUES(1,'rates/run','[1,2]','d7a7fd99459e2085');
CREATE TABLE judgements (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    checksum TEXT NOT NULL
);
INSERT INTO "judgements" VALUES(1,'5e1f','{"answers":[{"digest":"992669aae991f0cc8703c2a92502d529","variant":"base"}],"case":"a","criterion":"overall","id":"5e1f","note":"clear","rater":"ann","repeat":0,"score":4,"suite":"s","time":"2026-11-29T12:00:00.000+00:00","turn":1}','d095213028948ad3');
CREATE TABLE memos (
    key  TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
INSERT INTO "memos" VALUES('m','[3,4]');
CREATE TABLE results (
    id       INTEGER PRIMARY KEY,
    run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    cached   INTEGER NOT NULL,
    seconds  REAL NOT NULL,
    keys     TEXT NOT NULL,
    body     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    UNIQUE (run, position)
);
INSERT INTO "results" VALUES(1,1,0,0,0.0,'["81b85a824928f1bbc922e2956eb01374", "0300fdafa79a553fbaa5142901320a35"]','{"suite": "s", "category": "c", "case": "a", "variant": "base", "repeat": 0, "outcome": "pass", "score": 1.0, "checks": [{"check": "not", "turn": 0, "passed": true, "score": 1.0, "reason": "not contains: ''zzz'' not found", "detail": {"checks": [{"check": "contains", "passed": false, "score": 0.0, "reason": "''zzz'' not found", "detail": {"count": 0}}]}, "version": 1}, {"check": "not", "turn": 1, "passed": true, "score": 1.0, "reason": "not contains: ''zzz'' not found", "detail": {"checks": [{"check": "contains", "passed": false, "score": 0.0, "reason": "''zzz'' not found", "detail": {"count": 0}}]}, "version": 1}], "responses": ["one", "two"], "finish_reason": "stop", "prompt_tokens": 4, "completion_tokens": 2, "reason": "", "case_hash": "de0ef3be3d9dc676484cccccf7f6bea9", "environment": "44f05554e2eb52cf-89ba948cef3a2027", "cluster": null, "required": false, "tags": [], "prompt": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "one"}, {"role": "user", "content": "two"}]}','e6c3964986deaade');
INSERT INTO "results" VALUES(2,1,1,0,0.0,'["4450c4e5008ad4ee970fc60e1adaaf59", "d00fd151b11d2f00a8588ed17a1ad252"]','{"suite": "s", "category": "c", "case": "a", "variant": "tuned", "repeat": 0, "outcome": "pass", "score": 1.0, "checks": [{"check": "not", "turn": 0, "passed": true, "score": 1.0, "reason": "not contains: ''zzz'' not found", "detail": {"checks": [{"check": "contains", "passed": false, "score": 0.0, "reason": "''zzz'' not found", "detail": {"count": 0}}]}, "version": 1}, {"check": "not", "turn": 1, "passed": true, "score": 1.0, "reason": "not contains: ''zzz'' not found", "detail": {"checks": [{"check": "contains", "passed": false, "score": 0.0, "reason": "''zzz'' not found", "detail": {"count": 0}}]}, "version": 1}], "responses": ["one", "two"], "finish_reason": "stop", "prompt_tokens": 4, "completion_tokens": 2, "reason": "", "case_hash": "de0ef3be3d9dc676484cccccf7f6bea9", "environment": "44f05554e2eb52cf-89ba948cef3a2027", "cluster": null, "required": false, "tags": [], "prompt": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "one"}, {"role": "user", "content": "two"}]}','586d74208702947c');
CREATE TABLE runs (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    after    INTEGER NOT NULL,
    checksum TEXT NOT NULL
);
INSERT INTO "runs" VALUES(1,'run','{"backend":"scripted","baseline":"base","cached":0,"execution":{},"finished":false,"generated":0,"harness_version":"0","id":"run","notes":[],"scorers":{},"seconds":0.0,"started":"2026-01-01T00:00:00Z","suites":[],"variants":[]}',0,'f2b832ff0d992619');
CREATE INDEX results_by_case ON results (CASE WHEN json_valid(body) THEN json_extract(body, '$.suite') END, CASE WHEN json_valid(body) THEN json_extract(body, '$.case') END, run);
CREATE INDEX results_by_run ON results (run, CASE WHEN json_valid(body) THEN json_extract(body, '$.suite') END, CASE WHEN json_valid(body) THEN json_extract(body, '$.case') END, CASE WHEN json_valid(body) THEN json_extract(body, '$.variant') END, CASE WHEN json_valid(body) THEN json_extract(body, '$.outcome') END, position);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',1);
COMMIT;
