-- Prosody's modules: their globals, and Lua's as Prosody runs it.
std = "lua54"
max_line_length = 132
globals = { "module" }
read_globals = { "prosody" }
