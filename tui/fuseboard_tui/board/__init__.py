"""The main screen: layout, keys, selection, notifications and exports."""
