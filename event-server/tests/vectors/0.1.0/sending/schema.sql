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
INSERT INTO lottery.centrals VALUES ('central-1', '0.1.0', '2026-11-29 21:07:26.012591+00', '2026-11-29 21:07:26.012591+00');
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
