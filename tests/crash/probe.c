/*
 * A small program that writes a file, for the self-test of the shim: probe DIRECTORY HOW.
 *   none      writes only        range     and sync_file_range       data      and fdatasync of the file alone
 *   whole     and fdatasync, then fsync of the directory              range-dir sync_file_range, then fsync of the directory
 *   renamed   writes and syncs fresh, renames it over the file, without a sync of the directory
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    char path[4096], fresh[4096];
    if (count != 3) return 2;
    snprintf(path, sizeof path, "%s/file", words[1]);
    snprintf(fresh, sizeof fresh, "%s/fresh", words[1]);
    const char *how = words[2];
    int renamed = !strcmp(how, "renamed");
    int fd = open(renamed ? fresh : path, O_RDWR | O_CREAT, 0600), dir = open(words[1], O_RDONLY | O_DIRECTORY);
    if (fd < 0 || dir < 0 || pwrite(fd, "acknowledged", 12, 0) != 12) return 1;
    if (!strncmp(how, "range", 5) && sync_file_range(fd, 0, 12, 7)) return 1;
    if ((!strcmp(how, "data") || !strcmp(how, "whole") || renamed) && fdatasync(fd)) return 1;
    if ((!strcmp(how, "whole") || !strcmp(how, "range-dir")) && fsync(dir)) return 1;
    return renamed && rename(fresh, path) ? 1 : 0;
}
