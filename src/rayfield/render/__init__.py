"""Renderers: functions of callables, without losses."""
