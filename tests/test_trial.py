import pytest

from mlids import trial
from mlids.config import ConfigManager
from mlids.errors import ConfigError, MLIDSError


def settings(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return ConfigManager(path, environment={}).settings


def test_the_defaults_are_taken(tmp_path):
    trial.require(settings(tmp_path, ""))


def test_a_value_that_only_the_plugin_can_judge_is_refused(tmp_path):
    wrong = settings(tmp_path, "detectors: {dns_tunnel: {ignore_domains: ['no..name']}}")
    with pytest.raises(ConfigError, match=r"no\.\.name") as caught:
        trial.require(wrong)
    assert caught.value.code == "E002"


def test_a_secret_that_the_environment_lacks_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    text = "integrations: {splunk: {enabled: true, token: '${NO_SUCH_SECRET}'}}"
    with pytest.raises(MLIDSError, match="NO_SUCH_SECRET"):
        trial.require(settings(tmp_path, text))


def test_whatever_the_fixed_sections_allow_every_plugin_takes():
    import msgspec

    from mlids import registry
    from mlids.config.check import all_keys
    from mlids.config.schema import extra, settings_type

    fixed = {".".join(path): field for path, field in all_keys(settings_type(()))}
    tried = 0
    for folder in registry.FOLDERS:
        for name, plugin in registry.plugins(folder).items():
            for field in msgspec.structs.fields(plugin.Settings):
                key = extra(field).get("key")
                if key not in fixed:
                    continue
                bounds = msgspec.inspect.type_info(fixed[key].type)
                bounds = getattr(bounds, "type", bounds)  # without its description
                for bound in (getattr(bounds, "ge", None), getattr(bounds, "le", None)):
                    if bound is not None:
                        assert msgspec.convert(bound, field.type) == bound, (name, key, bound)
                        tried += 1
    assert tried >= 4
