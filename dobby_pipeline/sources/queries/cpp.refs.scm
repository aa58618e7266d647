; What C++ calls and imports beyond C. Constructing a value is a call of its type; the members
; that a constructor initialises are none.
(call_expression function: (qualified_identifier) @call)
(call_expression
  function: (template_function) @call
  (#not-match? @call "^(const|dynamic|reinterpret|static)_cast\\W"))
(new_expression
  type: [(type_identifier) @call (qualified_identifier) @call (template_type) @call])
(compound_literal_expression
  type: [(type_identifier) @call (qualified_identifier) @call (template_type) @call])
(declaration
  type: [(type_identifier) @call (qualified_identifier) @call (template_type) @call]
  declarator: (init_declarator value: [(argument_list) (initializer_list)]))

(using_declaration [(identifier) @import (qualified_identifier) @import])
