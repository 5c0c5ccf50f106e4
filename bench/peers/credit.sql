WITH credited AS (
  UPDATE orders SET status = 'recharged', transaction_id = $2, recharged_at = now()
  WHERE order_id = $1 AND amount = $3 AND status IN ('pending', 'paid', 'failed') AND expires_at >= now()
  RETURNING account, amount
), balance AS (
  INSERT INTO accounts AS a (account, balance) SELECT account, amount FROM credited
  ON CONFLICT (account) DO UPDATE SET balance = a.balance + EXCLUDED.balance
  RETURNING account, balance
)
INSERT INTO ledger (order_id, account, amount, balance_after)
SELECT $1, credited.account, credited.amount, balance.balance FROM credited JOIN balance USING (account)
