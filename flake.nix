{
  description = "ktb, the kernel testbench";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      testbench = import ./nix/testbench.nix {
        inherit nixpkgs;
        source = self;
      };
    in
    testbench { } // { lib = { inherit testbench; }; };
}
