#include "tools/reply_printer.h"

#include <algorithm>
#include <iostream>

#include "tools/json_text.h"

namespace recharge {
namespace {

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string shown(const ReplyMember& member) { return member.null ? "-" : member.text; }

std::string without_trailing_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string describe_object(std::string_view object) {
  std::vector<ReplyMember> members = json_members(object);
  std::erase_if(members, [](const ReplyMember& m) { return m.name == "code" || m.name == "msg"; });
  std::size_t width = 0;
  for (const ReplyMember& member : members) width = std::max(width, member.name.size());
  std::string out;
  for (const ReplyMember& member : members) out += padded(member.name, width + 2) + shown(member) + '\n';
  return out;
}

std::string describe_list(std::string_view array, const std::vector<std::string>& columns) {
  std::vector<std::vector<std::string>> rows{columns};
  for (const std::string& element : json_elements(array)) {
    const std::vector<ReplyMember> members = json_members(element);
    std::vector<std::string> row;
    for (const std::string& column : columns) {
      const auto found = std::ranges::find(members, column, &ReplyMember::name);
      row.push_back(found == members.end() ? "-" : shown(*found));
    }
    rows.push_back(std::move(row));
  }
  if (rows.size() == 1) return "(none)\n";
  std::vector<std::size_t> widths(columns.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += padded(row[i], widths[i] + 2);
    out += without_trailing_spaces(std::move(line)) + '\n';
  }
  return out;
}

std::string describe_error(const HttpReply& reply) {
  const auto msg = json_member(reply.body, "msg");
  const auto slug = json_member(reply.body, "error");
  std::string out = msg.value_or("the server answered status " + std::to_string(reply.status));
  if (slug) out += " (" + *slug + ")";
  return out;
}

ExitCode print_reply(const Tool& tool, const ToolResult<HttpReply>& reply,
                     const std::function<std::string(const std::string& body)>& show) {
  if (!reply) return report(reply.error());
  const bool success = reply->status >= 200 && reply->status < 300;
  if (tool.json) {
    std::cout << reply->body << (reply->body.ends_with('\n') ? "" : "\n");
    std::cout.flush();
  }
  if (!success) return report({ExitCode::failure, describe_error(*reply)});
  if (!tool.json) std::cout << show(reply->body);
  return ExitCode::ok;
}

}  // namespace recharge
