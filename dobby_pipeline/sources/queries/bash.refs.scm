; What shell code runs and sources. A command whose name is computed is no call.
(command name: (command_name (word) @call))

(command
  name: (command_name (word) @_command)
  . argument: [
    (word) @import
    (raw_string) @import
    (string (string_content) @import .)
    (concatenation (word) @import .)
  ]
  (#any-of? @_command "source" "."))
