; What Kotlin code calls and imports: `a.f()`, `::f`, and the constructor in `: Base()`. An infix
; call, `a f b`, looks like an operator: no call.
(call_expression . [(identifier) (navigation_expression)] @call)
(callable_reference) @call
(constructor_invocation (user_type (identifier) @call .))

(import (qualified_identifier (identifier) @import .))
