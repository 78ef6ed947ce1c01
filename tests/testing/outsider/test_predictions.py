def test_model(validkit_check):
    validkit_check("predictions.csv", protocol="acceptance.toml")
