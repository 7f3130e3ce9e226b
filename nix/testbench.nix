# All outputs of the flake, for a kernel and VMs as the caller wants them. README.md, "Nix", tells what may be said.
{ nixpkgs, source }:
{
  # Names of profiles: lockdep, kasan and so on.
  profiles ? [ ],
  # Options of the kernel, above all others: { DEBUG_SPINLOCK = "y"; }
  kernelOptions ? { },
  # What GDB gets to break at.
  breakpoints ? [ ],
  # MB, and CPUs. null: as ktb.conf says.
  memory ? null,
  cores ? null,
  # MB; the NixOS guest's disk.
  disk ? 4096,
  # NixOS modules for that guest.
  modules ? [ ],
}:
let
  system = "x86_64-linux";
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.${system};
  fragments = import ./fragments.nix { inherit lib; };

  # The options that are asked for; each set above the one before it.
  options =
    let
      fragment = optional: name: lib.mapAttrs (fragments.structured optional) (
        fragments.read (../share/kconfig + "/${name}.config")
      );
    in
    builtins.foldl' (all: more: all // more) { } (
      map (fragment false) [
        "base"
        "guest"
        "debug"
        "kgdb"
      ]
      ++ [ (fragment true "compat") ]
      ++ map (name: fragment false "profiles/${name}") profiles
      ++ [ (lib.mapAttrs (fragments.structured false) kernelOptions) ]
    );

  ktb = pkgs.callPackage ./package.nix { inherit source; };
  tested = ktb.override { withTests = true; };
  linux = pkgs.callPackage ./kernel.nix { inherit options; };
  inherit (linux) kernel;

  # Finds the sources of a kernel that was built in a folder which is gone. What debug information calls ../init/main.c is as
  # seen from the build folder, in place of which any of the source tree's own will do.
  gdb = pkgs.writeShellApplication {
    name = "gdb";
    text = ''
      read -r built <${kernel.dev}/nix-support/ktb-build-folder
      exec ${pkgs.gdb}/bin/gdb -iex "add-auto-load-safe-path ${kernel.dev}" \
        -iex "directory ${linux.source}" \
        -iex "set substitute-path $built ${linux.source}/kernel" \
        -iex "set substitute-path ''${built%/*} ${linux.source}" "$@"
    '';
  };

  # What stands behind comes later, and wins; what the flake says stands above ktb.conf.
  runner =
    name: arguments:
    pkgs.writeShellApplication {
      inherit name;
      runtimeInputs = [
        ktb
        gdb
        pkgs.qemu_kvm
      ];
      text = ''
        exec ktb ${lib.escapeShellArgs arguments} "$@"
      '';
    };

  vm-runner = runner "ktb-vm" (
    [
      "vm"
      "--kernel=${kernel}/bzImage"
      "--vmlinux=${kernel.dev}/vmlinux"
      "--modules=${lib.getOutput "modules" kernel}"
    ]
    ++ lib.optional (memory != null) "--memory=${toString memory}M"
    ++ lib.optional (cores != null) "--cpus=${toString cores}"
  );

  gdb-runner = runner "ktb-gdb" (
    [
      "gdb"
      "--program=${gdb}/bin/gdb"
    ]
    ++ map (where: "--break=${where}") breakpoints
  );

  app = package: name: {
    type = "app";
    program = "${package}/bin/${name}";
  };
in
{
  packages.${system} = {
    inherit ktb kernel vm-runner;
    default = ktb;
    kernelSource = linux.source;
    kernelDev = kernel.dev;
  };

  apps.${system} = {
    vm = app vm-runner "ktb-vm";
    gdb = app gdb-runner "ktb-gdb";
  };

  nixosConfigurations.debugvm = lib.nixosSystem {
    modules = [
      (import ./guest.nix {
        inherit kernel disk;
        memory = if memory == null then 2048 else memory;
        cores = if cores == null then 2 else cores;
      })
    ]
    ++ modules;
  };

  devShells.${system}.default = pkgs.mkShell {
    inputsFrom = [ tested ];
    packages = [
      # The VM and around it.
      ktb.busybox
      pkgs.gdb
      pkgs.qemu_kvm
      pkgs.socat
      pkgs.tmux
      # Kernels.
      pkgs.bc
      pkgs.bison
      pkgs.flex
      pkgs.kmod
      pkgs.ncurses
      pkgs.perl
      pkgs.python3
      pkgs.xz
    ];
    # The program loads some libraries by their names alone.
    NIX_LDFLAGS = lib.concatMapStringsSep " " (p: "-rpath ${lib.makeLibraryPath [ p ]}") ktb.loaded;
    NIX_SET_BUILD_ID = "1";
    shellHook = ''
      case $- in
      *i*)
        cat >&2 <<'END'
      meson setup build && ninja -C build     builds ktb
      meson test -C build                     the unit tests
      build/ktb vm                            builds a kernel, boots it: its console
      build/ktb gdb                           GDB on it, from another terminal
      build/ktb up                            both side by side
      build/ktb doctor                        what is wrong, and what to do
      build/ktb help                          all commands
      END
        ;;
      esac
    '';
  };

  checks.${system}.unit = tested;
}
