; What is a symbol in Ruby. What `attr_reader`, `alias` or `define_method` make are no records, and
; what stands in `class << self` belongs to the class around it.
;
; A module that begins with a class or a module is a namespace and no record: most files of a gem
; have one around them. Any other module is a class.
(module name: (_) @name body: (body_statement . [(class) (module)])) @impl
(module name: (_) @name body: (_)? @body) @class
(class name: (_) @name body: (_)? @body) @class
(method name: (_) @name body: (_)? @body) @function
(singleton_method object: (self) name: (_) @name body: (_)? @body) @function
(singleton_method object: (_) @receiver name: (_) @name body: (_)? @body) @function

(assignment left: [(identifier) (constant)] @name right: (lambda body: (_) @body)) @function

; Point = Struct.new(:x, :y) do … end
(assignment
  left: (constant) @name
  right: (call
    . receiver: (constant) @_object method: (identifier) @_method block: (_ body: (_) @body))
  (#any-of? @_object "Data" "Struct")
  (#any-of? @_method "define" "new")) @struct
(assignment
  left: (constant) @name
  right: (call . receiver: (constant) @_object method: (identifier) @_method)
  (#any-of? @_object "Data" "Struct")
  (#any-of? @_method "define" "new")) @struct
(assignment
  left: (constant) @name
  right: (call
    . receiver: (constant) @_object method: (identifier) @_method block: (_ body: (_) @body))
  (#any-of? @_object "Class" "Module")
  (#eq? @_method "new")) @class

; private def name … end
(call
  . method: (identifier) @keyword
  . arguments: (argument_list . [(method) (singleton_method)]))

(comment) @comment
