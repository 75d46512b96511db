CREATE SCHEMA lottery;
CREATE TABLE lottery.bets (
    agency integer NOT NULL,
    seq bigint NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    document text NOT NULL,
    birthdate date NOT NULL,
    number integer NOT NULL
);
CREATE TABLE lottery.centrals (
    name text NOT NULL,
    version text NOT NULL,
    started timestamp with time zone NOT NULL,
    seen timestamp with time zone NOT NULL
);
CREATE TABLE lottery.commits (
    agency integer NOT NULL,
    version bigint NOT NULL,
    upload text,
    batched bigint NOT NULL,
    bets bigint NOT NULL,
    finished boolean NOT NULL,
    central text NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE lottery.draw (
    id integer NOT NULL,
    winner integer NOT NULL,
    at timestamp with time zone NOT NULL,
    central text NOT NULL,
    CONSTRAINT draw_id_check CHECK ((id = 1))
);
CREATE TABLE lottery.lottery (
    id integer NOT NULL,
    format integer NOT NULL,
    agencies bigint NOT NULL,
    CONSTRAINT lottery_id_check CHECK ((id = 1))
);
INSERT INTO lottery.bets VALUES (1, 0, 'Ana', 'Pérez', '24279348', '1955-08-25', 4662);
INSERT INTO lottery.bets VALUES (1, 1, 'Juan', 'Gómez, hijo', '26368886', '1966-02-16', 3868);
INSERT INTO lottery.bets VALUES (1, 2, 'Lucía', 'Acuña', '27260626', '1940-12-15', 7574);
INSERT INTO lottery.bets VALUES (1, 3, 'José', 'Muñoz', '29917908', '1953-06-01', 5910);
INSERT INTO lottery.bets VALUES (1, 4, 'Juan', 'Acuña', '29083394', '1941-07-22', 208);
INSERT INTO lottery.bets VALUES (1, 5, 'Juan', 'Pérez', '20487223', '1968-08-16', 3457);
INSERT INTO lottery.bets VALUES (2, 0, 'Ana', 'Acuña', '21423915', '1986-03-24', 7574);
INSERT INTO lottery.bets VALUES (2, 1, 'Óscar', 'Muñoz', '23560440', '1944-10-22', 2060);
INSERT INTO lottery.bets VALUES (2, 2, 'Juan', 'Pérez', '26602368', '1987-09-15', 3528);
INSERT INTO lottery.bets VALUES (2, 3, 'Ana', 'Sosa', '20460448', '1986-08-11', 2197);
INSERT INTO lottery.bets VALUES (2, 4, 'Óscar', 'Gómez, hijo', '22759657', '1962-04-08', 3470);
INSERT INTO lottery.bets VALUES (2, 5, 'María', 'Acuña', '22912336', '1957-09-17', 1447);
INSERT INTO lottery.bets VALUES (2, 6, 'Juan', 'Muñoz', '29393400', '1963-08-26', 4208);
INSERT INTO lottery.bets VALUES (2, 7, 'Óscar', 'Gómez, hijo', '26111193', '1985-06-28', 6016);
INSERT INTO lottery.bets VALUES (2, 8, 'Lucía', 'Gómez, hijo', '27741119', '1971-08-09', 1320);
INSERT INTO lottery.bets VALUES (2, 9, 'Óscar', 'Gómez, hijo', '25937862', '1998-08-12', 4102);
INSERT INTO lottery.bets VALUES (3, 0, 'Óscar', 'Pérez', '22188131', '1987-10-16', 4854);
INSERT INTO lottery.bets VALUES (2, 10, 'Óscar', 'Sosa', '27659656', '2002-11-08', 5946);
INSERT INTO lottery.bets VALUES (3, 1, 'Óscar', 'Sosa', '20220922', '2000-05-18', 536);
INSERT INTO lottery.bets VALUES (2, 11, 'Juan', 'Muñoz', '22786186', '1974-08-10', 6673);
INSERT INTO lottery.bets VALUES (3, 2, 'Juan', 'Pérez', '27889712', '2000-07-21', 1570);
INSERT INTO lottery.bets VALUES (2, 12, 'Juan', 'Muñoz', '28459891', '1992-05-24', 6547);
INSERT INTO lottery.bets VALUES (3, 3, 'Juan', 'Pérez', '22543801', '1989-12-01', 1899);
INSERT INTO lottery.bets VALUES (2, 13, 'Óscar', 'Pérez', '26150497', '1949-06-24', 4005);
INSERT INTO lottery.bets VALUES (2, 14, 'José', 'Acuña', '21781017', '1947-10-21', 6676);
INSERT INTO lottery.bets VALUES (2, 15, 'Óscar', 'Acuña', '23801994', '1953-09-05', 2237);
INSERT INTO lottery.bets VALUES (2, 16, 'José', 'Muñoz', '21013089', '1994-12-25', 2005);
INSERT INTO lottery.bets VALUES (2, 17, 'María', 'Acuña', '26043463', '1962-04-22', 465);
INSERT INTO lottery.bets VALUES (2, 18, 'Ana', 'Acuña', '21131901', '1943-01-24', 679);
INSERT INTO lottery.bets VALUES (2, 19, 'María', 'Acuña', '24289767', '1956-03-24', 7574);
INSERT INTO lottery.centrals VALUES ('central-1', '0.1.0', '2026-11-29 21:07:26.318346+00', '2026-11-29 21:07:26.389194+00');
INSERT INTO lottery.commits VALUES (1, 1, NULL, 0, 0, false, 'central-1', '2026-11-29 21:07:26.029037+00');
INSERT INTO lottery.commits VALUES (1, 2, '0256f5c562f9a3b87bee1c37dbd67cf5', 1, 1, false, 'central-1', '2026-11-29 21:07:26.033846+00');
INSERT INTO lottery.commits VALUES (1, 3, '0256f5c562f9a3b87bee1c37dbd67cf5', 2, 2, false, 'central-1', '2026-11-29 21:07:26.034707+00');
INSERT INTO lottery.commits VALUES (1, 4, '0256f5c562f9a3b87bee1c37dbd67cf5', 3, 3, false, 'central-1', '2026-11-29 21:07:26.038839+00');
INSERT INTO lottery.commits VALUES (1, 5, '0256f5c562f9a3b87bee1c37dbd67cf5', 4, 4, false, 'central-1', '2026-11-29 21:07:26.039537+00');
INSERT INTO lottery.commits VALUES (1, 6, '0256f5c562f9a3b87bee1c37dbd67cf5', 5, 5, false, 'central-1', '2026-11-29 21:07:26.039853+00');
INSERT INTO lottery.commits VALUES (1, 7, '0256f5c562f9a3b87bee1c37dbd67cf5', 6, 6, false, 'central-1', '2026-11-29 21:07:26.040147+00');
INSERT INTO lottery.commits VALUES (1, 8, '0256f5c562f9a3b87bee1c37dbd67cf5', 6, 6, true, 'central-1', '2026-11-29 21:07:26.040352+00');
INSERT INTO lottery.commits VALUES (2, 1, NULL, 0, 0, false, 'central-1', '2026-11-29 21:07:26.050574+00');
INSERT INTO lottery.commits VALUES (2, 2, '6d70210e2446513c2ade8e70053ff2da', 1, 1, false, 'central-1', '2026-11-29 21:07:26.051046+00');
INSERT INTO lottery.commits VALUES (2, 3, '6d70210e2446513c2ade8e70053ff2da', 2, 2, false, 'central-1', '2026-11-29 21:07:26.051333+00');
INSERT INTO lottery.commits VALUES (2, 4, '6d70210e2446513c2ade8e70053ff2da', 3, 3, false, 'central-1', '2026-11-29 21:07:26.051517+00');
INSERT INTO lottery.commits VALUES (2, 5, '6d70210e2446513c2ade8e70053ff2da', 4, 4, false, 'central-1', '2026-11-29 21:07:26.051658+00');
INSERT INTO lottery.commits VALUES (2, 6, '6d70210e2446513c2ade8e70053ff2da', 5, 5, false, 'central-1', '2026-11-29 21:07:26.051805+00');
INSERT INTO lottery.commits VALUES (2, 7, '6d70210e2446513c2ade8e70053ff2da', 6, 6, false, 'central-1', '2026-11-29 21:07:26.051923+00');
INSERT INTO lottery.commits VALUES (2, 8, '6d70210e2446513c2ade8e70053ff2da', 7, 7, false, 'central-1', '2026-11-29 21:07:26.052029+00');
INSERT INTO lottery.commits VALUES (2, 9, '6d70210e2446513c2ade8e70053ff2da', 8, 8, false, 'central-1', '2026-11-29 21:07:26.052893+00');
INSERT INTO lottery.commits VALUES (1, 9, '0256f5c562f9a3b87bee1c37dbd67cf5', 6, 6, true, 'central-1', '2026-11-29 21:07:26.329115+00');
INSERT INTO lottery.commits VALUES (2, 10, '6d70210e2446513c2ade8e70053ff2da', 8, 8, false, 'central-1', '2026-11-29 21:07:26.365999+00');
INSERT INTO lottery.commits VALUES (2, 11, '6d70210e2446513c2ade8e70053ff2da', 9, 9, false, 'central-1', '2026-11-29 21:07:26.37324+00');
INSERT INTO lottery.commits VALUES (3, 1, NULL, 0, 0, false, 'central-1', '2026-11-29 21:07:26.37324+00');
INSERT INTO lottery.commits VALUES (2, 12, '6d70210e2446513c2ade8e70053ff2da', 10, 10, false, 'central-1', '2026-11-29 21:07:26.378825+00');
INSERT INTO lottery.commits VALUES (3, 2, '81dfac06842b2095f6d26524e2274023', 1, 1, false, 'central-1', '2026-11-29 21:07:26.379397+00');
INSERT INTO lottery.commits VALUES (2, 13, '6d70210e2446513c2ade8e70053ff2da', 11, 11, false, 'central-1', '2026-11-29 21:07:26.379614+00');
INSERT INTO lottery.commits VALUES (3, 3, '81dfac06842b2095f6d26524e2274023', 2, 2, false, 'central-1', '2026-11-29 21:07:26.379744+00');
INSERT INTO lottery.commits VALUES (2, 14, '6d70210e2446513c2ade8e70053ff2da', 12, 12, false, 'central-1', '2026-11-29 21:07:26.379844+00');
INSERT INTO lottery.commits VALUES (3, 4, '81dfac06842b2095f6d26524e2274023', 3, 3, false, 'central-1', '2026-11-29 21:07:26.379956+00');
INSERT INTO lottery.commits VALUES (2, 15, '6d70210e2446513c2ade8e70053ff2da', 13, 13, false, 'central-1', '2026-11-29 21:07:26.38282+00');
INSERT INTO lottery.commits VALUES (3, 5, '81dfac06842b2095f6d26524e2274023', 4, 4, false, 'central-1', '2026-11-29 21:07:26.383286+00');
INSERT INTO lottery.commits VALUES (2, 16, '6d70210e2446513c2ade8e70053ff2da', 14, 14, false, 'central-1', '2026-11-29 21:07:26.386822+00');
INSERT INTO lottery.commits VALUES (3, 6, '81dfac06842b2095f6d26524e2274023', 4, 4, true, 'central-1', '2026-11-29 21:07:26.3873+00');
INSERT INTO lottery.commits VALUES (2, 17, '6d70210e2446513c2ade8e70053ff2da', 15, 15, false, 'central-1', '2026-11-29 21:07:26.387473+00');
INSERT INTO lottery.commits VALUES (2, 18, '6d70210e2446513c2ade8e70053ff2da', 16, 16, false, 'central-1', '2026-11-29 21:07:26.388129+00');
INSERT INTO lottery.commits VALUES (2, 19, '6d70210e2446513c2ade8e70053ff2da', 17, 17, false, 'central-1', '2026-11-29 21:07:26.388363+00');
INSERT INTO lottery.commits VALUES (2, 20, '6d70210e2446513c2ade8e70053ff2da', 18, 18, false, 'central-1', '2026-11-29 21:07:26.388493+00');
INSERT INTO lottery.commits VALUES (2, 21, '6d70210e2446513c2ade8e70053ff2da', 19, 19, false, 'central-1', '2026-11-29 21:07:26.388588+00');
INSERT INTO lottery.commits VALUES (2, 22, '6d70210e2446513c2ade8e70053ff2da', 20, 20, false, 'central-1', '2026-11-29 21:07:26.388694+00');
INSERT INTO lottery.commits VALUES (2, 23, '6d70210e2446513c2ade8e70053ff2da', 20, 20, true, 'central-1', '2026-11-29 21:07:26.388784+00');
INSERT INTO lottery.draw VALUES (1, 7574, '2026-11-29 21:07:26.389194+00', 'central-1');
INSERT INTO lottery.lottery VALUES (1, 1, 3);
ALTER TABLE ONLY lottery.centrals
    ADD CONSTRAINT centrals_pkey PRIMARY KEY (name);
ALTER TABLE ONLY lottery.commits
    ADD CONSTRAINT commits_pkey PRIMARY KEY (agency, version);
ALTER TABLE ONLY lottery.draw
    ADD CONSTRAINT draw_pkey PRIMARY KEY (id);
ALTER TABLE ONLY lottery.lottery
    ADD CONSTRAINT lottery_pkey PRIMARY KEY (id);
CREATE INDEX commits_finished ON lottery.commits USING btree (agency) WHERE finished;
