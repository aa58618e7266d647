; What Kotlin code calls and imports: `a.f()`, `a f b`, `::f`, and the constructor in `: Base()`.
(call_expression . [(identifier) @call (navigation_expression (identifier) @call .)])
(infix_expression (_) . (identifier) @call . (_))
(callable_reference (identifier) @call .)
(constructor_invocation (user_type (identifier) @call .))

(import (qualified_identifier (identifier) @import .))
