"""The main screen: layout, keys, timeline, selection, notifications and exports."""
