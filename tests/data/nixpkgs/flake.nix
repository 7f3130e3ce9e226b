# A stand-in for nixpkgs, for tests/integration/flake.sh: the functions that our flake calls, as strict as can be about what
# they are given. What nixpkgs would build from sources is made here by builder.sh, in a second and without a network.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix // {
        nixosSystem = import ./nixos.nix { inherit lib pkgs; };
      };
      pkgs = import ./pkgs.nix { inherit lib; };
    in
    {
      inherit lib;
      legacyPackages.x86_64-linux = pkgs;
    };
}
