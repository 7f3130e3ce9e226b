# A NixOS guest with the debug kernel. Its disk is debugvm.qcow2 in the working folder; the Nix store is that of the host.
{
  kernel,
  memory,
  cores,
  disk,
}:
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    "${modulesPath}/virtualisation/qemu-vm.nix"
    "${modulesPath}/profiles/minimal.nix"
  ];

  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = config.system.nixos.release;
  networking.hostName = "debugvm";

  boot = {
    kernelPackages = pkgs.linuxPackagesFor kernel;
    kernelParams = [
      "nokaslr"
      "kgdboc=ttyS0,115200"
      # Stops early in boot at the prompt of kdb, on the console, until `go` is typed there.
      # "kgdbwait"
    ];
    consoleLogLevel = 7;
    initrd = {
      # This kernel knows no other, and has nearly everything built in.
      compressor = "gzip";
      includeDefaultModules = false;
      allowMissingModules = true;
    };
  };

  virtualisation = {
    memorySize = lib.mkDefault memory;
    cores = lib.mkDefault cores;
    diskSize = lib.mkDefault disk;
    graphics = false;
    qemu = {
      consoles = [ "ttyS0,115200" ];
      guestAgent.enable = false;
      virtioKeyboard = false;
      # The debug port. QEMU's -s would listen on every interface.
      options = [ "-gdb tcp:127.0.0.1:1234" ];
    };
  };

  services.getty.autologinUser = "root";

  # Nothing runs that isn't needed to look at a kernel; for some of it this kernel has no options.
  networking.enableIPv6 = false;
  networking.firewall.enable = false;
  nix.enable = false;
  powerManagement.enable = false;
  security.sudo.enable = false;
  services.logrotate.enable = false;
  services.lvm.enable = false;
  systemd.oomd.enable = false;
}
