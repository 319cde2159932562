"""The files of rules and schemas, compiled to what `shared.rules` evaluates; needed where an app is loaded alone."""
