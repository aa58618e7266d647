; What Python code calls and imports. A decorator is a call, with or without parentheses.
(call function: [(identifier) (attribute)] @call)
(decorator [(identifier) (attribute)] @call)

(import_statement name: (dotted_name (identifier) @import .))
(import_statement name: (aliased_import name: (dotted_name (identifier) @import .)))
(import_from_statement name: (dotted_name (identifier) @import .))
(import_from_statement name: (aliased_import name: (dotted_name (identifier) @import .)))

; from x import *
(import_from_statement
  module_name: [
    (dotted_name (identifier) @import .)
    (relative_import (dotted_name (identifier) @import .))
  ]
  (wildcard_import))
