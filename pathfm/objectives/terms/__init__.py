"""The terms of an objective, a file each; `pathfm.settings.terms` names them."""
