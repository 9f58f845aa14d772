# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Transactions in a data base that several machines change at once.

make_database() {
	sqlite3 "$1" "PRAGMA journal_mode=$2;
		CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200)
		INSERT INTO account SELECT i, 0 FROM n;
		CREATE TABLE done (who TEXT PRIMARY KEY, n INTEGER);
		CREATE TABLE log (who TEXT, text TEXT);" >/dev/null
}

# transact DATABASE WHO: moves something between accounts; says a line in
# WHO.committed after the commit. All balances together are nothing at any time.
transact() {
	local sum

	sum=$(sqlite3 -bail "$1" <<SQL
.timeout 30000
BEGIN IMMEDIATE;
UPDATE account SET balance = balance - 7 WHERE id = 1 + abs(random() % 200);
INSERT INTO log VALUES ('$2', hex(randomblob(500)));
INSERT INTO done VALUES ('$2', 1) ON CONFLICT (who) DO UPDATE SET n = n + 1;
UPDATE account SET balance = balance + 7 WHERE id = 1 + abs(random() % 200);
COMMIT;
SELECT sum(balance) FROM account;
SQL
	) || return
	echo "$sum" >>"$2.committed"
	[[ $sum == 0 ]]
}

# transact_many DATABASE WHO COUNT
transact_many() {
	local i

	for ((i = 0; i < $3; i++)); do
		transact "$1" "$2" || return
	done
}
