#include "server/settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "server/key_rings.h"

namespace recharge {
namespace {

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    char name[] = "/tmp/recharge-settings-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  Settings load(const std::string& text, const Environment& environment = {}, FlagSettings flags = {}) const {
    flags.config = write("recharged.toml", text);
    return load_settings(flags, environment);
  }
  std::string refusal(const std::string& text, const Environment& environment = {},
                      FlagSettings flags = {}) const {
    try {
      load(text, environment, flags);
    } catch (const SettingsError& error) {
      return error.what();
    }
    return "accepted";
  }

  std::filesystem::path folder_;
};

TEST_F(SettingsTest, DefaultsNeedNoFile) {
  const Settings settings = load_settings({}, {});
  EXPECT_EQ(settings.server.listen.to_text(), "127.0.0.1:8080");
  EXPECT_EQ(settings.store.data_dir, "data");
  EXPECT_EQ(settings.orders.currency_code, "CNY");
  EXPECT_EQ(to_text(settings.orders.max_amount), "1000000.00");
  EXPECT_EQ(settings.callback.tolerance_ms, 300'000);
  EXPECT_NE(settings.simulated(), nullptr);
  EXPECT_TRUE(settings.needs_generated_secret());
}

TEST_F(SettingsTest, FlagOverEnvironmentOverFile) {
  const std::string file = "[server]\nlisten = \"127.0.0.1:1\"\nthreads = 2\nmax_body_bytes = 2048\n";
  const Environment environment = {{"RECHARGED_SERVER__LISTEN", "127.0.0.1:2"},
                                   {"RECHARGED_SERVER__THREADS", "3"}};
  FlagSettings flags;
  flags.listen = parse_listen("127.0.0.1:3");
  const Settings settings = load(file, environment, flags);
  EXPECT_EQ(settings.server.listen.port, 3);
  EXPECT_EQ(settings.server.threads, 3U);
  EXPECT_EQ(settings.server.max_body_bytes, 2048U);
}

TEST_F(SettingsTest, EnvironmentReachesNestedAndListedSettings) {
  const Settings settings =
      load_settings({}, {{"RECHARGED_GATEWAY__SIMULATED__SUCCESS_RATE", "0.25"},
                         {"RECHARGED_GATEWAY__SIMULATED__AUTO_CALLBACK", "true"},
                         {"RECHARGED_CALLBACK__REQUIRED_FIELDS", "order_id,status"},
                         {"RECHARGED_CALLBACK__SECRETS", "[{id = \"a\", secret = \"b\"}]"},
                         {"RECHARGED_OTHER", "not a setting"}});
  EXPECT_EQ(settings.simulated()->success_rate, 0.25);
  EXPECT_TRUE(settings.simulated()->auto_callback);
  EXPECT_EQ(settings.callback.required_fields, (std::vector<std::string>{"order_id", "status"}));
  ASSERT_EQ(settings.callback.secrets.size(), 1U);
  EXPECT_FALSE(settings.needs_generated_secret());
}

struct Refused {
  const char* name;
  const char* text;
  const char* part;  // of the message
};

TEST_F(SettingsTest, RefusesWhatIsWrongAndSaysWhere) {
  const Refused rows[] = {
      {"unknown key", "[server]\nlisten = \"127.0.0.1:0\"\nfoo = 1\n",
       "recharged.toml:3:7: server.foo: unknown key"},
      {"unknown section", "[foo]\nbar = 1\n", "unknown key"},
      {"key outside of sections", "foo = 1\n", "recharged.toml:1:7: foo: unknown key"},
      {"section as a value", "server = 1\n", "must be a section"},
      {"syntax", "[server\n", "recharged.toml:1:"},
      {"text for a number", "[server]\nthreads = \"2\"\n", "must be an integer"},
      {"too many threads", "[server]\nthreads = 65\n", "from 1 to 64"},
      {"no threads", "[server]\nthreads = 0\n", "from 1 to 64"},
      {"listen without port", "[server]\nlisten = \"127.0.0.1\"\n", "HOST:PORT"},
      {"listen on a name", "[server]\nlisten = \"example.com:80\"\n", "HOST:PORT"},
      {"open listener without authentication", "[server]\nlisten = \"0.0.0.0:80\"\n", "auth.allow_open"},
      {"simulated gateway on an open listener",
       "[server]\nlisten = \"0.0.0.0:80\"\n[auth]\nallow_open = true\n", "allow_simulated"},
      {"simulated beside another gateway",
       "[gateway.simulated]\nsuccess_rate = 1.0\n[gateway.a]\nkind = \"native\"\nsecrets = [{id=\"1\", "
       "secret=\"x\"}]\n",
       "only while no other"},
      {"native gateway without secrets", "[gateway.a]\nkind = \"native\"\n", "needs secrets"},
      {"gateway of an unknown kind", "[gateway.a]\nkind = \"foo\"\n", "must be simulated, native, alipay"},
      {"Alipay without its app", "[gateway.a]\nkind = \"alipay\"\n", "gateway.a.app_id: is needed"},
      {"Stripe without its key", "[gateway.a]\nkind = \"stripe\"\n", "gateway.a.secret_key_file: is needed"},
      {"webhooks without secrets", "[gateway.a]\nkind = \"standard\"\n", "gateway.a.secret_files: is needed"},
      {"gateway with a taken name",
       "[gateway.native]\nkind = \"native\"\nsecrets = [{id=\"1\", secret=\"x\"}]\n", "taken"},
      {"success rate over one", "[gateway.simulated]\nsuccess_rate = 1.5\n", "from 0 to 1"},
      {"PostgreSQL", "[store]\nkind = \"postgres\"\n", "not in this build"},
      {"tokens without keys", "[auth]\nmode = \"jwt\"\n", "auth.keys"},
      {"a retention without a unit", "[store]\njournal_retention = \"7\"\n", "must be \"all\", an age"},
      {"a retention of another unit", "[store]\njournal_retention = \"7GB\"\n", "must be \"all\", an age"},
      {"a retention of nothing", "[store]\njournal_retention = \"0d\"\n", "must be \"all\", an age"},
      {"a negative retention", "[store]\njournal_retention = \"-1d\"\n", "must be \"all\", an age"},
      {"a retention with more behind it", "[store]\njournal_retention = \"7d 1h\"\n",
       "must be \"all\", an age"},
      {"a retention beyond any use", "[store]\njournal_retention = \"100001d\"\n", "must be \"all\", an age"},
      {"a retention that is a number", "[store]\njournal_retention = 7\n", "journal_retention"},
      {"TLS without a key", "[tls]\ncertificate_file = \"a\"\n", "tls.certificate_file: needs tls.key_file"},
      {"rate limits", "[rate_limit]\nper_ip = 5\n", "unknown key"},
      {"empty secret", "[callback]\nsecrets = [{id = \"a\", secret = \"\"}]\n", "must not be empty"},
      {"secret without a value", "[callback]\nsecrets = [{id = \"a\"}]\n", "either secret or secret_file"},
      {"secret id twice", "[callback]\nsecrets = [{id=\"a\", secret=\"x\"}, {id=\"a\", secret=\"y\"}]\n",
       "twice"},
      {"unknown key of a secret", "[callback]\nsecrets = [{id=\"a\", secret=\"x\", foo=\"y\"}]\n",
       "unknown key foo"},
      {"pattern that does not compile", "[accounts]\npattern = \"(\"\n", "accounts.pattern"},
      {"currency without two fraction digits", "[orders]\ncurrency = \"JPY\"\n", "ISO 4217"},
      {"amount that is none", "[orders]\nmax_amount = \"1e6\"\n", "must be an amount"},
      {"late payment", "[orders]\nlate_payment = \"keep\"\n", "must be one of review, credit, refund"},
      {"retention under a day", "[orders]\nidempotency_retention_s = 86399\n", "from 86400"},
      {"proxy that is no range", "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]\n", "CIDR"},
      {"log level", "[log]\nlevel = \"loud\"\n", "must be one of"},
  };
  for (const Refused& row : rows)
    EXPECT_NE(refusal(row.text).find(row.part), std::string::npos) << row.name << ": " << refusal(row.text);
}

TEST_F(SettingsTest, TheRetentionOfTheJournalIsAnAgeOrASize) {
  const auto limits = [this](const std::string& text) {
    return load("[store]\njournal_retention = \"" + text + "\"\n").store.journal_retention;
  };
  EXPECT_TRUE(load_settings({}, {}).store.journal_retention.keep_all());
  EXPECT_TRUE(limits("all").keep_all());
  EXPECT_EQ(limits("36h").age_ms, 36 * 3'600'000);
  EXPECT_EQ(limits("90d").age_ms, 90 * 86'400'000LL);
  EXPECT_FALSE(limits("90d").bytes);
  EXPECT_EQ(limits("500MiB").bytes, std::uint64_t{500} << 20);
  EXPECT_EQ(limits("20GiB").bytes, std::uint64_t{20} << 30);
  EXPECT_FALSE(limits("20GiB").age_ms);
}

TEST_F(SettingsTest, BrokersAreOneOrSeveralOfOneCluster) {
  const auto one = load("[amqp]\nurl = \"amqps://shop@broker/top%2fups\"\n").amqp;
  ASSERT_EQ(one->brokers.size(), 1U);
  EXPECT_EQ(one->brokers[0].to_text(), "broker:5671");
  EXPECT_TRUE(one->tls && one->user == "shop" && one->virtual_host == "top/ups");
  const Environment environment = {{"RECHARGED_AMQP__URLS", "amqp://shop@a,amqp://shop@b:5673"}};
  for (const auto& several : {load("[amqp]\nurls = [\"amqp://shop@a\", \"amqp://shop@b:5673\"]\n").amqp,
                              load("", environment).amqp}) {
    ASSERT_EQ(several->brokers.size(), 2U);
    EXPECT_EQ(several->brokers[0].to_text(), "a:5672");
    EXPECT_EQ(several->brokers[1].to_text(), "b:5673");
    EXPECT_TRUE(!several->tls && several->user == "shop" && several->virtual_host == "/");
  }
  const auto refused = [this](const std::string& lines, const std::string& why) {
    const std::string said = refusal("[amqp]\n" + lines);
    EXPECT_NE(said.find(why), std::string::npos) << lines << "\n" << said;
  };
  refused("", "amqp: url is missing");
  refused("urls = []", "amqp: url is missing");
  refused("url = \"amqp://a\"\nurls = [\"amqp://a\"]", "amqp.urls: stands in the place of amqp.url");
  refused("url = \"http://a\"", "amqp.url: must be amqp[s]://");
  refused("urls = [\"amqp://a\", \"b\"]", "amqp.urls: must be amqp[s]://");
  refused("urls = [\"amqp://a\", \"amqp://u:word@b\"]", "amqp.urls: must hold no password");
  for (const char* other : {"amqps://a", "amqp://u@a", "amqp://a/x"})
    refused("urls = [\"amqp://a\", \"" + std::string(other) + "\"]", "amqp.urls: must be of one cluster");
  std::string many = "\"amqp://a\"";
  for (std::size_t i = 0; i < AmqpSettings::kMaxBrokers; ++i) many += ", \"amqp://a\"";
  refused("urls = [" + many + "]", "amqp.urls: must be at most 16");
}

TEST_F(SettingsTest, RefusesWrongVariablesByName) {
  EXPECT_NE(refusal("", {{"RECHARGED_SERVER__FOO", "1"}}).find("RECHARGED_SERVER__FOO"), std::string::npos);
  EXPECT_NE(refusal("", {{"RECHARGED_SERVER__THREADS", "many"}}).find("RECHARGED_SERVER__THREADS"),
            std::string::npos);
}

TEST_F(SettingsTest, AllowsAnOpenListenerWhereItIsAskedFor) {
  const std::string text =
      "[server]\nlisten = \"0.0.0.0:80\"\n[auth]\nallow_open = true\n[gateway.simulated]\nallow_simulated = "
      "true\n";
  EXPECT_EQ(refusal(text), "accepted");
  EXPECT_EQ(refusal("[server]\nlisten = \"[::1]:80\"\n"), "accepted");
}

TEST_F(SettingsTest, NeverShowsASecretInARefusal) {
  const std::string text = "[callback]\nsecrets = [{id = \"a\", secret = \"geheim\", secret_file = \"x\"}]\n";
  EXPECT_EQ(refusal(text).find("geheim"), std::string::npos);
}

TEST_F(SettingsTest, ReadsSecretFilesBesideTheSettings) {
  write("s.txt", "text\n");
  const Settings settings = load("[callback]\nsecrets = [{id = \"a\", secret_file = \"s.txt\"}]\n");
  const KeyRings rings = load_key_rings(settings);
  ASSERT_EQ(rings.gateways.front().ring.secrets().size(), 1U);
  EXPECT_EQ(rings.gateways.front().ring.secrets().front().secret.reveal(), "text");
  write("s.txt", "\n");
  EXPECT_THROW(load_key_rings(settings), SettingsError);
  std::filesystem::remove(folder_ / "s.txt");
  EXPECT_THROW(load_key_rings(settings), SettingsError);
}

TEST_F(SettingsTest, MakesASecretOnceAndForItsOwnerOnly) {
  FlagSettings flags;
  flags.data_dir = folder_;
  const Settings settings = load_settings(flags, {});
  ASSERT_TRUE(make_callback_secret(settings));
  EXPECT_FALSE(make_callback_secret(settings));
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "callback.secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(status.st_size, 65);
  EXPECT_EQ(load_key_rings(settings).gateways.front().ring.secrets().front().secret.reveal().size(), 64U);
}

}  // namespace
}  // namespace recharge
