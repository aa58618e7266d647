; What Ruby code calls and requires. `A.new` calls A. A name by itself may be a variable: only
; arguments or a receiver tell a call.
(call) @call

(call
  . method: (identifier) @_method
  arguments: (argument_list . (string (string_content) @import))
  (#any-of? @_method "load" "require" "require_relative"))
