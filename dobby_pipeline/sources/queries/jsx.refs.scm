; An element of JSX calls its component. Those in lower case are the browser's own.
(jsx_self_closing_element
  name: [(identifier) (member_expression)] @call
  (#match? @call "^[^a-z]|\\."))
(jsx_opening_element
  name: [(identifier) (member_expression)] @call
  (#match? @call "^[^a-z]|\\."))
