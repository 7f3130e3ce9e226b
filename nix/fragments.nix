# Reads Kconfig fragments. What comes out are sets: the option's name, without CONFIG_, and its value: y, m, n, a number, or
# a string without its quotes.
{ lib }:
let
  # The first expression that fits says what the line is. Comments come last: "is not set" looks like one.
  readLine =
    file: line:
    let
      text = builtins.match ''CONFIG_([A-Za-z0-9_]+)="([^"\]*)"'' line;
      value = builtins.match ''CONFIG_([A-Za-z0-9_]+)=([^"[:space:]]+)'' line;
      unset = builtins.match "# CONFIG_([A-Za-z0-9_]+) is not set" line;
      nothing = builtins.match "(#.*|[[:space:]]*)" line;
      is = found: [ (lib.nameValuePair (builtins.elemAt found 0) (builtins.elemAt found 1)) ];
    in
    if text != null then
      is text
    else if value != null then
      is value
    else if unset != null then
      is (unset ++ [ "n" ])
    else if nothing != null then
      [ ]
    else
      throw "${toString file}: this is no line of a Kconfig fragment: ${line}";
in
{
  read =
    file:
    builtins.listToAttrs (
      builtins.concatMap (readLine file) (lib.splitString "\n" (builtins.readFile file))
    );

  # As nixpkgs takes them. Where `optional` is true the kernel need not know the option; neither need it know what is to be
  # off, or have it anywhere.
  structured =
    optional: name: value:
    let
      inherit (lib.kernel)
        freeform
        module
        no
        option
        yes
        ;
      wanted =
        if value == "y" then
          yes
        else if value == "m" then
          module
        else if value == "n" then
          option no
        else
          freeform value;
    in
    if optional then option wanted else wanted;
}
