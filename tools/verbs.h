// Purpose: one function per group of verbs; each adds its verbs to the tree and sets Tool::action when
// chosen. REQUIRES: app and tool outlive parsing and the action.
#pragma once

#include "tools/tool.h"

namespace recharge {

void add_order_verbs(CLI::App& app, Tool& tool);  // order create|show|list|explain|close|refund, orders stuck
void add_payment_verbs(CLI::App& app, Tool& tool);    // pay
void add_callback_verbs(CLI::App& app, Tool& tool);   // callback, sign
void add_account_verbs(CLI::App& app, Tool& tool);    // balance, debit
void add_exception_verbs(CLI::App& app, Tool& tool);  // exceptions list|resolve
void add_webhook_verbs(CLI::App& app, Tool& tool);    // webhook list|show|resend|pause|resume|restart
void add_load_verb(CLI::App& app, Tool& tool);
void add_dev_verb(CLI::App& app, Tool& tool);
void add_doctor_verb(CLI::App& app, Tool& tool);
void add_verify_verb(CLI::App& app, Tool& tool);
void add_backup_verbs(CLI::App& app, Tool& tool);  // backup, restore
void add_reconcile_verb(CLI::App& app, Tool& tool);
void add_report_verb(CLI::App& app, Tool& tool);
void add_simulate_verb(CLI::App& app, Tool& tool);
void add_supplier_verb(CLI::App& simulate, Tool& tool);  // simulate supplier
void add_token_verb(CLI::App& app, Tool& tool);
void add_completion_verb(CLI::App& app, Tool& tool);

}  // namespace recharge
